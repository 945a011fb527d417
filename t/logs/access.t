# Access logs: final values, equal to what the probe counts of the same pool in the same line, and to
# what the page showed of the same request.
use strict;
use warnings;
use PST;
use PST::Log;
use PST::Server;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;

my $s   = PST::Server->new('logs-access');
my $log = PST::Log->new($s);
my $h2  = mpm() ne 'prefork';
$s->write_conf(conf => $log->conf . ($h2 ? "Protocols h2c http/1.1\n" : '') . 'ProxyPass /proxied/ http://127.0.0.1:' . $s->port . "/\n");
$s->start or BAIL_OUT('no server: ' . $s->start_text . $s->log_text);

sub probe { return PST::Probe->start($_[0], port => $s->port, ask => $s->port, hold => ['hold'], @_[1 .. $#_]) }

# what the page says of it while it waits
sub seen {
    my ($p) = @_;
    my $report = $p->arrived('hold');
    return (scalar row_of($s->json, $p->name), $report);
}

sub exact {
    my ($line, $name) = @_;
    my ($wrong, $framed) = PST::Log::wrong($line);
    is($wrong, '', "$name: what the probe counts");
    return $framed;
}

# The probe leaves more room in its last node than the end of a request takes: nothing grows after
# the page was looked at, so the log must say the same.
my $BYTES = 4096 * 700 + 200;

subtest 'a request of one pool' => sub {
    my $p = probe("pool=request&bytes=$BYTES&output=none");
    my ($row, $report) = seen($p);
    $p->finish;
    $p->conn->close;
    my $line = $log->line($p->name) or return fail('no line');
    ok(exact($line, 'request'), 'framed by the probe');
    my $r = $line->{request};
    is($r->{reserved}, $report->{request_reserved}, 'reserved: what the probe reported');
    is($r->{reserved}, $row->{request}{reserved_bytes}, 'and the page showed');
    is($r->{$_}, $row->{request}{ $_ eq 'peak' ? 'peak_bytes' : $_ }, "$_ as on the page") for qw(peak pools growths);
    my $c = $line->{connection};
    # httpd makes a pool for what is still to be written
    my $more = $c->{pools} - $row->{pools};
    cmp_ok($more, '<=', 1, 'no more pools');
    is($c->{reserved}, $row->{reserved_bytes} + 8192 * $more, "the connection's, too");
    is($line->{connection_plain}, $c->{reserved}, 'which is the default');
    is($c->{peak}, $row->{peak_bytes} + 8192 * $more, 'its peak');
    is($c->{$_}, $row->{$_}, "connection: $_ as on the page") for qw(growths requests);
    like($c->{$_}, qr/^\d+$/, "connection: $_ is a number") for qw(used slack buckets retained);
};

subtest 'a pool below that of the request' => sub {
    my $p = probe("pool=subpool&bytes=$BYTES&free=keep&output=none");
    my ($row, $report) = seen($p);
    $p->finish;
    $p->conn->close;
    my $line = $log->line($p->name) or return fail('no line');
    is($line->{request}{reserved}, $line->{sandwich}[0] + $report->{reserved_after}, 'both pools');
    is($line->{request}{pools}, 2, 'two');
    is($line->{sandwich}[6], $line->{sandwich}[5] + 40 + $report->{used_after} + 40 * (2 + $line->{request}{growths}), 'used of both');
    is($line->{request}{peak}, $row->{request}{peak_bytes}, 'peak');
};

subtest 'what is gone again is in the peak' => sub {
    my $p = probe("pool=subpool&bytes=$BYTES&free=destroy&output=none");
    my ($row, $report) = seen($p);
    $p->finish;
    $p->conn->close;
    my $line = $log->line($p->name) or return fail('no line');
    is($line->{request}{pools}, 1, 'one pool in the end');
    is($line->{request}{reserved}, $line->{sandwich}[0], 'which is all');
    is($line->{request}{peak}, $row->{request}{reserved_bytes}, 'the peak has what it had');
};

subtest 'a connection that keeps something' => sub {
    my $conn = PST::Conn->new($s->port);
    my @at;
    for my $n (0 .. 2) {
        my $p = probe("pool=connection&bytes=$BYTES&output=none", conn => $conn);
        $p->arrived('hold');
        $p->finish;
        push @at, $log->line($p->name)->{connection};
        is($at[$n]{requests}, $n, 'requests before this one');
    }
    my $node = node_size($BYTES);
    is($at[2]{reserved} - $at[1]{reserved}, $node, 'one node more each time');
    my $p = probe("pool=buckets&bytes=$BYTES&output=none&free=keep", conn => $conn);
    $p->arrived('hold');
    $p->finish;
    cmp_ok($log->line($p->name)->{connection}{buckets} - $at[2]{buckets}, '>=', node_size($BYTES + 32), 'buckets');
    $conn->close;
};

for my $how (qw(subreq redirect)) {
    subtest $how => sub {
        my $inner = '/poolprobe?pool=request&bytes=' . $BYTES . '&output=none';
        my $name  = token($how);
        $s->fetch("/poolprobe?n=$name&pool=request&bytes=$BYTES&$how=" . $inner =~ s/([^\w\/])/sprintf '%%%02X', ord $1/ger);
        my $line = $log->line($name) or return fail('no line');
        exact($line, $how);
        cmp_ok($line->{request}{peak}, '>=', 2 * $BYTES, 'both have allocated');
        cmp_ok($line->{request}{reserved}, $how eq 'subreq' ? '<' : '>=', 2 * $BYTES, 'from one pool, or from two');
    };
}

subtest 'pipelined' => sub {
    my $conn = PST::Conn->new($s->port);
    my @names = map token("pipe$_"), 1 .. 5;
    $conn->send(join '', map "GET /poolprobe?n=$names[$_]&pool=request&bytes=" . $BYTES * ($_ + 1) . "&output=100 HTTP/1.1\r\nHost: x\r\n\r\n", 0 .. 4);
    is($conn->response->{status}, 200, 'answered') for @names;
    for my $n (0 .. 4) {
        my $line = $log->line($names[$n]) or return fail('no line');
        exact($line, "request $n");
        cmp_ok($line->{request}{reserved}, '>=', $BYTES * ($n + 1), 'its own bytes');
        cmp_ok($line->{request}{reserved}, '<', $BYTES * ($n + 2), 'and no others');
        cmp_ok($line->{request}{peak}, '>=', $line->{request}{reserved}, 'peak');
        cmp_ok($line->{request}{growths}, '>=', 1, 'it grew');
    }
    $conn->close;
};

# Where the thread that wrote a response reads the next request, it does so while the client still has
# to take the end of the response: two requests of one connection are alive.
subtest 'the next one begins before it has ended' => sub {
    plan skip_all => 'event writes all of a response before it looks for the next request' if mpm() eq 'event';
    my $conn = PST::Conn->new($s->port);
    setsockopt $conn->{sock}, SOL_SOCKET, SO_RCVBUF, pack 'i', 65536;
    my ($first, $second, $wait) = (token('first'), token('second'), token('w'));
    $conn->send("GET /poolprobe?n=$first&pool=request&bytes=$BYTES&output=6000000 HTTP/1.1\r\nHost: x\r\n\r\n"
        . "GET /poolprobe?n=$second&pool=request&bytes=" . 3 * $BYTES . "&hold=$wait&output=none HTTP/1.1\r\nHost: x\r\n\r\n");
    my $arrived = sub { json_of($s->fetch("/poolprobe?peek=$wait")->{body})->{arrived} };
    for (1 .. 200) {
        last if wait_for($arrived, 0.01);
        $conn->some(65536 + length $conn->{buffer}, 1);
    }
    ok(wait_for($arrived, 5), 'the second one has come');
    is(scalar(grep { index($_->{line}, $first) >= 0 } $log->lines), 0, 'and the first has not ended');
    my $row = row_of($s->json, $second);
    cmp_ok($row->{request}{reserved_bytes}, '<', 4 * $BYTES, 'the page shows the second alone');
    cmp_ok($row->{reserved_bytes}, '>', 4 * $BYTES, 'its connection has both');
    $s->fetch("/poolprobe?release=$wait");    # what is left of the first is written by who has the second
    is($conn->response->{status}, 200, 'the first is taken');
    my $line = $log->line($first) or return fail('no line');
    ok(exact($line, 'the first'), 'framed by the probe');
    cmp_ok($line->{request}{reserved}, '<', 2 * $BYTES, 'which is not the second');
    cmp_ok($line->{request}{peak}, '>=', $line->{request}{reserved}, 'peak');
    cmp_ok($line->{request}{growths}, '>=', 1, 'growths');
    is($conn->response->{status}, 200, 'the second, too');
    $line = $log->line($second) or return fail('no line');
    exact($line, 'the second');
    cmp_ok($line->{request}{reserved}, '>=', 3 * $BYTES, 'its own');
    $conn->close;
};

subtest 'through a proxy' => sub {
    my $name = token('proxy');
    is($s->fetch("/proxied/poolprobe?n=$name&pool=request&bytes=$BYTES&output=10")->{status}, 200, 'answered');
    my @lines;
    wait_for(sub { @lines = grep { index($_->{line}, $name) >= 0 } $log->lines; @lines == 2 }, 10);
    is(scalar @lines, 2, 'a line of each side');
    exact($_, $_->{line}) for @lines;
    is(scalar(grep { $_->{request}{reserved} >= $BYTES } @lines), 1, 'the one that has allocated is told by it');
};

subtest 'an error, and a line that is none' => sub {
    for my $request ("GET /no/such HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "nonsense" . token() . "\r\n\r\n") {
        my $conn = PST::Conn->new($s->port);
        $conn->send($request);
        $conn->response;
        my ($what) = $request =~ /(\S+)\r/;
        my $line = $log->line($what =~ /HTTP/ ? '/no/such' : $what) or return fail("no line of $what");
        exact($line, $what);
        like($line->{request}{reserved}, qr/^[1-9]\d+$/, 'a figure');
    }
};

subtest 'streams' => sub {
    plan skip_all => 'mod_http2 does not work with prefork' unless $h2;
    plan skip_all => lacks('nghttp') if lacks('nghttp');
    my @names = map token("h2$_"), 1 .. 6;
    my @uri = map 'http://127.0.0.1:' . $s->port . "/poolprobe?n=$names[$_]&pool=request&bytes=" . $BYTES * ($_ + 1) . '&output=100', 0 .. 5;
    system("nghttp -n '" . join("' '", @uri) . "' >/dev/null 2>&1");
    for my $n (0 .. 5) {
        my $line = $log->line($names[$n]) or return fail('no line');
        exact($line, "stream $n");
        cmp_ok($line->{request}{reserved}, '>=', $BYTES * ($n + 1), 'its own bytes');
        cmp_ok($line->{request}{reserved}, '<', $BYTES * ($n + 2), 'and no others');
        cmp_ok($line->{connection}{reserved}, '>=', $line->{request}{reserved}, "the stream's connection has them");
    }
    is(scalar(grep { $_->{request}{pools} eq '-' } $log->lines), 0, 'no line without figures');
};

subtest 'thousands' => sub {
    my $before = $log->lines;
    my $url = 'http://127.0.0.1:' . $s->port;
    my $out = `ab -q -k -n 1500 -c 6 '$url/small.txt' 2>&1; ab -q -k -n 300 -c 4 '$url/poolprobe?pool=request&bytes=20000&pieces=3&output=50' 2>&1`;
    $out .= `h2load -n 800 -c 2 -m 20 $url/small.txt 2>&1` if $h2 && grep { -x "$_/h2load" } split /:/, $ENV{PATH};
    my @lines;
    wait_for(sub { @lines = $log->lines; @lines >= $before + 1800 }, 10);
    my ($framed, @wrong);
    for my $line (@lines[ $before .. $#lines ]) {
        my ($wrong, $could) = PST::Log::wrong($line);
        push @wrong, "$wrong ($line->{line})" if $wrong;
        $framed++ if $could;
    }
    is(scalar @wrong, 0, 'none differs from the probe') or diag(join "\n", splice @wrong, 0, 5);
    cmp_ok($framed, '>', 0.9 * (@lines - $before), 'nearly all could be compared');
};

is($s->stop, 0, 'the server ends');
unlike($s->log_text, qr/exit signal/, 'no crash');
done_testing;
