# Where not all is known the log says "-" for what is not, and no other figure is wrong: connections
# without a slot, children that are not instrumented, a server without a board.
use strict;
use warnings;
use PST;
use PST::Log;
use PST::Server;
use Test::More;

my $BYTES = 4096 * 300 + 200;

sub server {
    my ($name, $conf) = @_;
    my $s   = PST::Server->new("logs-$name");
    my $log = PST::Log->new($s);
    $s->write_conf(conf => $log->conf . "$conf\n");
    $s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);
    return ($s, $log);
}

subtest 'connections without a slot' => sub {
    plan skip_all => 'a child of prefork has one connection at a time' if mpm() eq 'prefork';
    my ($s, $log) = server('unslotted', 'PoolStatConnections 1');
    # more at once than there are slots in all children: some have none, whoever serves them
    my @p = map PST::Probe->start("pool=request&bytes=$BYTES&free=keep&output=none", port => $s->port, ask => $s->port), 1 .. 6;
    $_->arrived('hold') for @p;
    my $json = $s->json;
    my %has = map { my $name = $_->name; $name => scalar(() = row_of($json, $name)) } @p;
    $_->finish, $_->conn->close for @p;
    cmp_ok(scalar(grep !$_, values %has), '>', 0, 'some have no slot');
    for my $p (@p) {
        my $line = $log->line($p->name) or return fail('no line');
        my ($wrong) = PST::Log::wrong($line);
        is($wrong, '', 'the request, exactly');
        cmp_ok($line->{request}{peak}, '>=', $line->{request}{reserved}, 'its peak');
        cmp_ok($line->{request}{growths}, '>=', 1, 'its growths');
        is_deeply([ grep { $_ ne '-' } values %{ $line->{connection} } ], [], 'nothing of the connection') unless $has{ $p->name };
    }
    is($s->stop, 0, 'the server ends');
};

subtest 'not instrumented' => sub {
    my ($s, $log) = server('off', 'PoolStatInstrument Off');
    for my $pool (qw(request subpool)) {
        my $name = token($pool);
        my $r = $s->fetch("/poolprobe?n=$name&pool=$pool&bytes=$BYTES&free=keep&output=none");
        my $line = $log->line($name) or return fail('no line');
        my ($wrong) = PST::Log::wrong($line);
        is($wrong, '', 'the request, as walked') if $pool eq 'request';
        cmp_ok($line->{request}{reserved}, '>', $line->{sandwich}[0] + $BYTES, 'the pool below it, too') if $pool ne 'request';
        is($line->{request}{pools}, $pool eq 'request' ? 1 : 2, 'pools');
        is($line->{request}{growths}, '-', 'growths are not known');
        is($line->{connection}{$_}, '-', "nor the connection's $_") for qw(growths buckets);
        like($line->{connection}{$_}, qr/^\d+$/, "the connection's $_ is") for qw(reserved requests);
    }
    is($s->stop, 0, 'the server ends');
};

subtest 'no board' => sub {
    my ($s, $log) = server('none', 'PoolStatFile no/such/folder/board');
    my $name = token('none');
    $s->fetch("/poolprobe?n=$name&pool=request&bytes=$BYTES&output=none");
    my $line = $log->line($name) or return fail('no line');
    is_deeply([ grep { $_ ne '-' } values %{ $line->{request} }, values %{ $line->{connection} } ], [], 'nothing but "-"');
    is($s->stop, 0, 'the server ends');
};
done_testing;
