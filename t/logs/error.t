# Error logs: figures as they stand when the line is written, nothing where there are none.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('logs-error');
my $h2 = mpm() ne 'prefork';
$s->write_conf(conf => 'ErrorLogFormat "[%t] [%l] r=%-R used=%-{used}R pools=%-{pools}R peak=%-{peak}R c=%-C requests=%-{requests}C opt[% o=%{growths}R] %M"' . "\n"
    . ($h2 ? "Protocols h2c http/1.1\n" : ''));
$s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);

sub said {
    my ($what) = @_;
    my @found;
    wait_for(sub { @found = grep /asked for .*\Q$what\E/, split /\n/, $s->log_text; @found }, 10);
    return $found[0] // '';
}

my $BYTES = 4096 * 300 + 200;
for my $pool (qw(request subpool)) {
    my $p = PST::Probe->start("pool=$pool&bytes=$BYTES&free=keep&complain=1&output=none", port => $s->port, ask => $s->port, hold => ['hold2']);
    my $report = $p->arrived('hold2');
    my $row = row_of($s->json, $p->name);
    $p->finish;
    $p->conn->close;
    my $line = said($p->name);
    my %f = $line =~ /(\w+)=(\d+|-)/g;
    is($f{r}, $row->{request}{reserved_bytes}, "$pool: reserved as on the page") or diag($line);
    is($f{r}, $report->{request_reserved} + ($pool eq 'subpool' ? $report->{reserved_after} : 0), 'and as the probe counted');
    is($f{pools}, $row->{request}{pools}, 'pools');
    is($f{peak}, $row->{request}{peak_bytes}, 'peak');
    is($f{o}, $row->{request}{growths}, 'growths');
    is($f{c}, $row->{reserved_bytes}, 'the connection');
    is($f{requests}, 0, 'its requests');
    cmp_ok($f{used}, '<=', $f{r}, 'used is part of reserved');
    cmp_ok($f{used}, '>', $BYTES, 'and the most of it');
}

SKIP: {
    skip 'mod_http2 does not work with prefork', 2 unless $h2;
    skip lacks('nghttp'), 2 if lacks('nghttp');
    my $name = token('h2');
    system('nghttp -n \'http://127.0.0.1:' . $s->port . "/poolprobe?n=$name&pool=request&bytes=$BYTES&complain=1' >/dev/null 2>&1");
    my %f = said($name) =~ /(\w+)=(\d+|-)/g;
    cmp_ok($f{r} =~ tr/0-9//cdr, '>', $BYTES, 'a stream: reserved');
    cmp_ok($f{c}, '>=', $f{r}, 'its connection');
}

my ($parent) = grep /resuming normal operations/, split /\n/, $s->log_text;
like($parent // '', qr/r=- used=- pools=- peak=- c=- requests=- opt\[? .*resuming/, 'a line of the parent has none');
ok($s->graceful, 'a graceful restart');
my $name = token('after');
$s->fetch("/poolprobe?n=$name&complain=1");
like(said($name), qr/ r=\d+ /, 'and the figures are there again');
is($s->stop, 0, 'the server ends');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
