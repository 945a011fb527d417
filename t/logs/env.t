# The environment and notes: a CGI sees the figures of its request, the log the final ones; nobody else sees any.
use strict;
use warnings;
use PST;
use PST::Log;
use PST::Server;
use Test::More;

my $s   = PST::Server->new('logs-env');
my $log = PST::Log->new($s);
my $cgi = PST::stage()->{top} . '/t/htdocs/cgi-bin';
my @of_request    = map "POOLSTAT_REQUEST_$_", qw(RESERVED_BYTES USED_BYTES SLACK_BYTES PEAK_BYTES POOLS GROWTHS);
my @of_connection = map "POOLSTAT_CONNECTION_$_", qw(RESERVED_BYTES USED_BYTES SLACK_BYTES PEAK_BYTES POOLS GROWTHS BUCKET_BYTES RETAINED_BYTES REQUESTS);
my $conf = <<"EOT" . $log->conf =~ s/%\^PB %\^PR/%{POOLSTAT_REQUEST_RESERVED_BYTES}e %{POOLSTAT_REQUEST_RESERVED_BYTES}e/r;
ScriptAlias /cgi-bin/ "$cgi/"
<Location /cgi-bin>
    Options +ExecCGI
    SetHandler cgi-script
    PoolStatEnv On
</Location>
<Location /poolprobe/on>
    PoolStatEnv On
</Location>
<Location /poolprobe/on/off>
    PoolStatEnv Off
</Location>
ErrorLogFormat "[%t] [%l] then=%-{POOLSTAT_REQUEST_RESERVED_BYTES}n now=%-R connection=%-{POOLSTAT_CONNECTION_RESERVED_BYTES}n %M"
LogFormat "@{[ join ' ', map "%{$_}e", @of_request, @of_connection ]} @{[ join ' ', map "%{$_}n", @of_request, @of_connection ]} |%r" variables
CustomLog $s->{dir}/variables.txt variables
EOT
$s->write_conf(conf => $conf);
$s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);

# what the log says of the request that has this in its line: of variables and notes alike
sub variables {
    my ($what) = @_;
    my @found;
    wait_for(sub {
        return 0 unless -e "$s->{dir}/variables.txt";
        @found = grep /\|.*\Q$what\E/, split /\n/, PST::Stage::read_file("$s->{dir}/variables.txt");
        return scalar @found;
    }, 10);
    my %v;
    my @all = split / /, ($found[-1] // '') =~ s/ \|.*//r;
    @v{ @of_request, @of_connection } = splice @all, 0, @of_request + @of_connection;
    is("@all", "@v{ @of_request, @of_connection }", "$what: notes have what variables have");
    return \%v;
}

my $BYTES = 4096 * 300 + 200;
subtest 'the log' => sub {
    my $p = PST::Probe->start("pool=request&bytes=$BYTES&output=none", path => '/poolprobe/on', port => $s->port, ask => $s->port, hold => ['hold']);
    my $report = $p->arrived('hold');
    my $row = row_of($s->json, $p->name);
    $p->finish;
    $p->conn->close;
    my $v = variables($p->name);
    my $r = $row->{request};
    is($v->{"POOLSTAT_REQUEST_\U$_"}, $r->{$_}, "$_ as on the page") for qw(reserved_bytes peak_bytes pools growths);
    is($v->{POOLSTAT_REQUEST_RESERVED_BYTES}, $report->{request_reserved}, 'reserved as the probe counted');
    is($v->{POOLSTAT_REQUEST_USED_BYTES} + $v->{POOLSTAT_REQUEST_SLACK_BYTES}, $v->{POOLSTAT_REQUEST_RESERVED_BYTES}, 'used and slack are all');
    is($v->{POOLSTAT_CONNECTION_REQUESTS}, 0, 'requests before this one');
    like($v->{$_}, qr/^\d+$/, $_) for @of_connection;
    my $line = $log->line($p->name);
    is($line->{sandwich}[0], $line->{sandwich}[2], 'the same as %^PR in the same line');
    is(scalar(grep { ($v->{$_} // '-') eq '-' } keys %$v), 0, 'none is missing');
};

subtest 'the error log' => sub {
    my $p = PST::Probe->start("pool=request&bytes=$BYTES&complain=1&output=none", path => '/poolprobe/on', port => $s->port, ask => $s->port, hold => [qw(hold0 hold2)]);
    $p->arrived('hold0');
    my $before = row_of($s->json, $p->name);
    $p->release('hold0');
    $p->arrived('hold2');
    my $after = row_of($s->json, $p->name);
    my $line;
    ok(wait_for(sub { ($line) = grep /asked for .*@{[ $p->name ]}/, split /\n/, $s->log_text; $line }, 10), 'a line') or return;
    my %f = $line =~ /(\w+)=(\d+|-)/g;
    is($f{then}, $before->{request}{reserved_bytes}, 'a note has what the request reserved when its handler began');
    is($f{now}, $after->{request}{reserved_bytes}, 'beside what it reserves now');
    cmp_ok($f{now} - $f{then}, '>', $BYTES, 'which is more');
    is($f{connection}, $before->{reserved_bytes}, 'the connection\'s note');
    $p->finish;
    $p->conn->close;
    $s->fetch("/poolprobe?n=$p->{name}off&complain=1&output=none");
    ok(wait_for(sub { ($line) = grep /asked for .*$p->{name}off/, split /\n/, $s->log_text; $line }, 10), 'where it is off');
    like($line, qr/then=- now=\d+ connection=- /, 'there is no note');
};

for my $path ('/poolprobe', '/poolprobe/on/off') {
    my $name = token('off');
    $s->fetch("$path?n=$name&output=none");
    is_deeply([ grep { $_ ne '-' } values %{ variables($name) } ], [], "$path: no variable");
}

subtest 'a CGI' => sub {
    my $name = token('cgi');
    my $r = $s->fetch("/cgi-bin/env.pl?n=$name");
    is($r->{status}, 200, 'runs') or return diag($s->log_text);
    my %v = $r->{body} =~ /^(POOLSTAT_\w+)=(\d+)$/mg;
    is(join(' ', sort keys %v), join(' ', sort @of_request, @of_connection), 'sees every figure') or diag($r->{body});
    my $v = variables($name);
    cmp_ok($v->{POOLSTAT_REQUEST_PEAK_BYTES}, '>=', $v{POOLSTAT_REQUEST_RESERVED_BYTES}, 'the log has later ones');
    cmp_ok($v{POOLSTAT_REQUEST_USED_BYTES}, '<=', $v{POOLSTAT_REQUEST_RESERVED_BYTES}, 'used is part of reserved');
};

subtest 'a redirect' => sub {
    my $name = token('redirect');
    my $inner = "/poolprobe/on?pool=request&bytes=$BYTES&output=none" =~ s/([^\w\/])/sprintf '%%%02X', ord $1/ger;
    $s->fetch("/poolprobe?n=$name&redirect=$inner");
    cmp_ok(variables($name)->{POOLSTAT_REQUEST_RESERVED_BYTES} =~ tr/0-9//cdr || 0, '>', $BYTES, 'the log has those of the whole request');
};

subtest 'across a graceful restart' => sub {
    $s->write_conf(conf => $conf =~ s/PoolStatEnv On/PoolStatEnv Off/gr);
    ok($s->graceful, 'without it');
    my $name = token('without');
    ok(wait_for(sub { $s->fetch("/poolprobe/on?n=$name&output=none")->{status} == 200 }, 5), 'answers');
    ok(wait_for(sub { my $n = token('x'); $s->fetch("/poolprobe/on?n=$n&output=none"); !grep { $_ ne '-' } values %{ variables($n) } }, 10), 'no variables');
    $s->write_conf(conf => $conf);
    ok($s->graceful, 'and with it again');
    ok(wait_for(sub { my $n = token('y'); $s->fetch("/poolprobe/on?n=$n&output=none"); !grep { $_ eq '-' } values %{ variables($n) } }, 10), 'variables');
};
is($s->stop, 0, 'the server ends');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
