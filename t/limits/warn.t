# PoolStatWarn: one line per object that crosses, with exact figures, the request line, the code
# that grew; also of requests that are over in no time; none below; ten a minute and a count.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(sleep);

my $limits = mpm() eq 'prefork'
    ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 10\n";
my $MIB = 1 << 20;
my $prefork = mpm() eq 'prefork';

sub server {
    my ($name, $conf, %o) = @_;
    my $s = PST::Server->new("warn-$name", conf => $conf, limits => $limits, %o);
    ok($s->start, "a server: $name") or BAIL_OUT($s->start_text . $s->log_text);
    return $s;
}

# PST0013 lines, as what they say
sub told {
    my ($s) = @_;
    return map {
        /\[pid (\d+)[:\]].*PST0013: a (\w+) reserves (\d+) bytes, more than PoolStatWarn (\w+) (\d+) \((?:request (\d+), connection (\d+), )?child (\d+)\): (?:(connection|stream) (\d+) of (\S+) to (\S+), its request (\d+), handler (.+?)|memory of no connection), grown by (.+?)(?:: (.*))?$/
          ? { pid => $1, what => $2, reserved => $3, limit_of => $4, limit => $5, request => $6, connection => $7, child => $8, kind => $9,
              id => $10, client => $11, vhost => $12, nth => $13, handler => $14, place => $15, line => $16 }
          : /PST0013/ ? { bad => $_ } : ()
    } split /\n/, $s->log_text;
}
sub wait_told { my ($s, $n) = @_; my @told; wait_for(sub { @told = told($s); @told >= $n }, 10); return @told }

subtest 'a request' => sub {
    my $s = server('request', "PoolStatWarn request 1M\n");
    my $conn = PST::Conn->new($s->port);
    for my $bytes (100, 100_000, 900_000) {
        $conn->get("/poolprobe?pool=subpool&bytes=$bytes");
        is($conn->response->{status}, 200, "$bytes bytes");
    }
    # the whole of it in one request whose growth is known: what it had, and one node more
    my $name = token('big');
    my $p = PST::Probe->start("pool=request&leak_here=1&bytes=$MIB", hold => [ 'hold0', 'hold' ], port => $s->port, ask => $s->port)
        if mpm() ne 'prefork';
    if ($p) {
        $name = $p->name;
        $p->arrived('hold0');
        my $before = row_of($s->json, $p->name);
        $p->release('hold0');
        my $report = $p->arrived('hold');
        my ($t) = wait_told($s, 1);
        my $row = row_of($s->json, $p->name);
        is($t->{reserved}, $before->{request}{reserved_bytes} + node_size($MIB, $report->{node_overhead}), 'reserved is exact');
        is($t->{reserved}, $row->{request}{reserved_bytes}, 'and what the page says');
        is($t->{request}, $t->{reserved}, 'of the request');
        is($t->{connection}, $row->{reserved_bytes}, 'the connection');
        is($t->{id}, $row->{id}, 'its number');
        is($t->{pid}, $row->{pid}, 'the child');
        $p->finish;
    }
    else {
        $conn->get("/poolprobe?pool=request&leak_here=1&bytes=$MIB&x=$name");
        $conn->response;
        my ($t) = wait_told($s, 1);
        cmp_ok($t->{reserved}, '>', $MIB, 'reserved');
        is($t->{nth}, 4, 'the fourth on its connection');
    }
    my @t = told($s);
    is(scalar @t, 1, 'one line: none of those below the limit') or diag(explain(\@t));
    is($t[0]{what}, 'request', 'of a request');
    is("$t[0]{limit_of} $t[0]{limit}", "request $MIB", 'the limit');
    is($t[0]{client}, '127.0.0.1', 'the client');
    is($t[0]{vhost}, '127.0.0.1', 'the virtual host');
    is($t[0]{handler}, 'poolprobe', 'the handler');
    like($t[0]{place}, qr/^mod_poolprobe\.so poolprobe_leak\+0x[0-9a-f]+$/, 'the code');
    like($t[0]{line}, qr{^GET /poolprobe\?.*\Q$name\E}, 'the request line');

    # grows on and on: still one line
    $conn = PST::Conn->new($s->port);
    $conn->get("/poolprobe?pool=request&leak_here=100&bytes=$MIB&y=1");
    $conn->response;
    my @more = wait_told($s, 2);
    is(scalar @more, 2, 'a request that grows a hundred times is told once');
    # over in no time
    $conn->get("/poolprobe?pool=request&bytes=2000000&z=$_"), $conn->response for 1 .. 3;
    @more = wait_told($s, 5);
    is(scalar @more, 5, 'and each of three that are over at once');
    is(join(' ', map { $_->{line} =~ /z=(\d)/ } @more[ 2 .. 4 ]), '1 2 3', 'with their lines');
    is($s->stop, 0, 'stops');
    is(scalar told($s), 5, 'and that was all');
    unlike($s->log_text, qr/exit signal/, 'no crash');
};

subtest 'a connection, and the child' => sub {
    my $s = server('scopes', "PoolStatWarn connection 3M\nPoolStatWarn child 40M\nPoolStatProfile 16K\n");
    my $conn = PST::Conn->new($s->port);
    $conn->get("/poolprobe?pool=connection&leak_here=1&bytes=$MIB&nth=$_"), $conn->response for 1 .. 6;
    my @t = wait_told($s, 1);
    is(scalar @t, 1, 'a connection that keeps growing is told once') or diag(explain(\@t));
    is($t[0]{what}, 'connection', 'as a connection');
    is($t[0]{nth}, 3, 'at its third request');
    like($t[0]{line}, qr/nth=3/, 'with its line');
    cmp_ok($t[0]{reserved}, '>', 3 * $MIB, 'above');
    is($t[0]{reserved}, $t[0]{connection}, 'its own figure');
    like($t[0]{place}, qr/poolprobe_leak/, 'the code');
    $conn->close;
    fetch("/poolprobe?pool=child&leak_here=1&bytes=" . 21 * $MIB, port => $s->port) for 1 .. 3;
    @t = wait_told($s, 2);
    is(scalar @t, 2, 'the child is told once');
    is($t[1]{what}, 'child', 'as the child');
    is($t[1]{reserved}, $t[1]{child}, 'its figure');
    cmp_ok($t[1]{reserved}, '>', 42 * $MIB, 'above');
    is($t[1]{line}, undef, 'memory of the process has no request');
    like($t[1]{place}, qr/poolprobe_leak/, 'but code');
    is($s->stop, 0, 'stops');
};

# A module keeps memory in the connection's pool, others make pools beside it and destroy them: who makes it cross need not be
# who holds it. Right, or not said yet and said later.
subtest 'who it is' => sub {
    my $top = stage()->{top};
    my $s = server('who', "LoadModule poolguilty_module $top/mod_poolguilty.so\nLoadModule poolinnocent_module $top/mod_poolinnocent.so\n"
        . "PoolGuilty connection 1000\nPoolInnocents 3\nPoolStatWarn connection 200K\n");
    my @conns = map { PST::Conn->new($s->port) } 1 .. ($prefork ? 1 : 3);
    my $later = qr/PST0027: connection (\d+), which crossed PoolStatWarn connection 204800, is grown by (.+)/;
    my %later;
    # at once, before anybody can know; then slowly, so that something is there in ten seconds' time
    for my $c (@conns) { for (1 .. 300) { $c->get('/small.txt'); $c->response } }
    ok(wait_for(sub {
        for my $c (@conns) { $c->get('/small.txt'); $c->response->{status} == 200 or return 0; sleep 0.02 }
        %later = $s->log_text =~ /$later/g;
        return %later == @conns;
    }, 60), 'told later') or diag($s->log_text =~ /.*PST00(?:13|27).*/g);
    my @t = told($s);
    is(scalar @t, scalar @conns, 'each crossed once');
    is(join(' ', sort { $a <=> $b } keys %later), join(' ', sort { $a <=> $b } map { $_->{id} } @t), 'of each that crossed');
    is(scalar(grep { $_->{place} !~ /^(?:mod_poolguilty\.so|code not known yet)/ } @t), 0, 'nobody else at once') or diag(map { "$_->{place}\n" } @t);
    is(scalar(grep { !/^mod_poolguilty\.so poolguilty_connection\S*, \d+ % of what stayed$/ } values %later), 0, 'nor later') or diag(values %later);
    $_->close for @conns;
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal/, 'no crash');
};

# Static functions have no name in the table that is loaded: the helper knows it.
subtest 'names and lines' => sub {
    plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
    plan skip_all => 'no libdw here' if !grep { -e } map { glob } '/usr/lib/libdw.so.1 /usr/lib64/libdw.so.1 /usr/lib/*/libdw.so.1 /lib/*/libdw.so.1';
    my $s = server('names', "PoolStatWarn request 64K\nPoolStatSymbols @{[ stage()->{top} ]}/poolstat\n");
    # a helper that is not ready yet is not waited for: a later line has the name
    my $named = qr/^mod_poolprobe\.so take(?:_pieces)?(?: \(mod_poolprobe\.c:\d+\)|\+0x[0-9a-f]+)$/;
    my $place = '';
    for my $n (1 .. 8) {
        fetch('/poolprobe?pool=request&bytes=100000', port => $s->port);
        $place = (wait_told($s, $n))[-1]{place};
        last if $place =~ $named;
        like($place, qr/^mod_poolprobe\.so\+0x[0-9a-f]+$/, 'not named yet');
    }
    like($place, $named, 'a static function by name, and its line');
    is($s->stop, 0, 'stops');
};

subtest 'hostile request lines' => sub {
    plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
    my $s = server('hostile', "PoolStatWarn request 64K\n");
    my $conn = PST::Conn->new($s->port);
    $conn->send("GET /poolprobe?pool=request&bytes=100000&\x1b[31m\x{c3}\x{a9}\\\"<b>%n%s, grown by x: GET HTTP/1.1\r\nHost: a\r\n\r\n");
    my $r = $conn->response;
    # httpd itself refuses most of that; what it lets through
    $conn = PST::Conn->new($s->port);
    $conn->get('/poolprobe?pool=request&bytes=100000&"%22<script>%0d%0a%n%s,grown:GET');
    is($conn->response->{status}, 200, 'a line with quotes and formats');
    my $long = 'x' x 4000;
    $conn->get("/poolprobe?pool=request&bytes=100000&$long");
    is($conn->response->{status}, 200, 'a long one');
    my @t = wait_told($s, 2);
    is(scalar(grep { $_->{bad} } @t), 0, 'every line of the log is ours') or diag(explain(\@t));
    ok(scalar(grep { $_->{line} && $_->{line} eq 'GET /poolprobe?pool=request&bytes=100000&"%22<script>%0d%0a%n%s,grown:GET HTTP/1.1' } @t), 'as it was sent');
    ok(scalar(grep { ($_->{line} // '') =~ /x{100}$/ && length $_->{line} < 160 } @t), 'cut where it is too long');
    unlike($s->log_text, qr/[^\x20-\x7e\n]/, 'nothing but text in the log');
    is($s->stop, 0, 'stops');
};

subtest 'ten a minute' => sub {
    my $s = server('rate', "PoolStatWarn request 64K\n");
    my $conn = PST::Conn->new($s->port);
    $conn->get("/poolprobe?pool=request&bytes=100000&n=$_"), $conn->response for 1 .. 50;
    wait_told($s, 10);
    $conn->close;
    is($s->stop, 0, 'stops');
    my @t = told($s);
    is(scalar @t, 10, 'ten lines of fifty');
    is(join(' ', map { $_->{line} =~ /n=(\d+)/ } @t), '1 2 3 4 5 6 7 8 9 10', 'the first ones');
    my @untold = $s->log_text =~ /PST0014: (\d+) more/g;
    is("@untold", '40', 'the others are counted');
};

subtest 'without a watchdog' => sub {
    my $s = server('nodog', "PoolStatWarn request 64K\n", flags => [ '-D', 'PoolStatNoWatchdog' ]);
    like($s->log_text, qr/PST0015: children have no watchdog/, 'said at the start');
    my $conn = PST::Conn->new($s->port);
    $conn->get("/poolprobe?pool=request&bytes=100000&n=$_"), $conn->response for 1 .. 3;
    $conn->close;
    my @t = wait_told($s, 3);
    is(join(' ', map { $_->{line} =~ /n=(\d+)/ } @t), '1 2 3', 'each is told when it ends');
    is($s->stop, 0, 'stops');
};

subtest 'PoolStatInstrument Off' => sub {
    plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
    my $s = server('hooks', "PoolStatInstrument Off\nPoolStatWarn request 64K\nPoolStatWarn connection 1M\nPoolStatHistory Off\n");
    my $conn = PST::Conn->new($s->port);
    $conn->get('/poolprobe?pool=connection&bytes=2000000&n=1'), $conn->response;
    $conn->get('/poolprobe?n=2'), $conn->response;
    my ($t) = wait_told($s, 1);
    is($t && $t->{what}, 'connection', 'what is seen at hooks is told');
    is($t && $t->{place}, 'code not known', 'without the code');
    $conn->close;
    is($s->stop, 0, 'stops');
};

subtest 'off' => sub {
    my $s = server('off', "PoolStatWarn request 64K\nPoolStatWarn request Off\n");
    fetch('/poolprobe?pool=request&bytes=10000000', port => $s->port);
    is($s->stop, 0, 'stops');
    is(scalar told($s), 0, 'nothing is told');
};
done_testing;
