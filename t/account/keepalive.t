# Connections that live through many requests: flat ones, growing ones, pipelined ones.
use strict;
use warnings;
use PST;
use Test::More;

# Connect, do one request, find the row.
sub connected {
    my $conn = PST::Conn->new(port);
    my $p = PST::Probe->start('pool=none', conn => $conn, hold => ['hold']);
    $p->arrived('hold');
    my $row = row_of(json_now(), $p->name) or BAIL_OUT('no row for a request that is being served');
    $p->finish;
    return ($conn, $row->{pid}, $row->{id});
}

# The row, once the server has done with a request: EOR and logging come after the answer.
sub idle {
    my ($pid, $id, $requests) = @_;
    my $row;
    wait_for(sub {
        $row = row_by_id(json_now(), $pid, $id);
        $row && !serves($row) && $row->{requests} == $requests && $row->{state} eq 'keep-alive';
    }, 10);
    return $row // {};
}

subtest 'a connection that does not grow' => sub {
    my ($conn, $pid, $id) = connected();
    my @sizes;
    for my $n (2 .. 21) {
        $conn->get('/small.txt');
        is($conn->response->{body}, 'x' x 12, "request $n") or last;
        next if $n < 4;
        my $row = idle($pid, $id, $n);
        is($row->{requests}, $n, "$n requests");
        push @sizes, $row->{reserved_bytes};
    }
    is(scalar(keys %{ { map { $_ => 1 } @sizes } }), 1, 'the same size after each') or diag("@sizes");
    $conn->get('/poolprobe?pool=request&bytes=20000000');
    is($conn->response->{status}, 200, 'a request with 20 MB');
    is(idle($pid, $id, 22)->{reserved_bytes}, $sizes[-1], 'leaves nothing in pools behind');
};

subtest 'a connection that grows with each request' => sub {
    my ($conn, $pid, $id) = connected();
    my $last = idle($pid, $id, 1)->{reserved_bytes};
    for my $n (2 .. 11) {
        $conn->get('/poolprobe?pool=connection&bytes=100000');
        my $report = json_of($conn->response->{body});
        my $row = idle($pid, $id, $n);
        is($row->{reserved_bytes} - $last, $report->{reserved_after} - $report->{reserved_before}, "request $n: by its node");
        $last = $row->{reserved_bytes};
    }
    cmp_ok($last, '>', 1_000_000, 'ten nodes in the end');
};

subtest 'a subpool of the connection that is never destroyed' => sub {
    my ($conn, $pid, $id) = connected();
    my $first = idle($pid, $id, 1);
    my $sum = 0;
    for my $n (2 .. 6) {
        $conn->get('/poolprobe?pool=connsub&bytes=100&free=keep');
        $sum += json_of($conn->response->{body})->{reserved_after};
    }
    my $row = idle($pid, $id, 6);
    is($row->{pools} - $first->{pools}, 5, 'five more pools');
    is($row->{reserved_bytes} - $first->{reserved_bytes}, $sum, 'of what the probe saw');
    cmp_ok($sum, '>=', 5 * 8192, 'a node each at least');
};

subtest 'pipelined requests' => sub {
    my $conn = PST::Conn->new(port);
    my @p;
    push @p, PST::Probe->start('pool=request&bytes=5000000', conn => $conn, hold => ['hold'], quiet => 1) for 1 .. 4;
    $conn->send(join '', map "GET $_->{path} HTTP/1.1\r\nHost: main.example\r\n\r\n", @p);
    my %seen;
    my ($pid, $id);
    for my $n (0 .. 3) {
        $p[$n]->arrived('hold');
        my $json = json_now();
        my @rows = row_of($json, $p[$n]->name);
        is(scalar @rows, 1, "request $n has the row");
        my $row = $rows[0] or last;
        ($pid, $id) = ($row->{pid}, $row->{id}) if !$n;
        is("$row->{pid} $row->{id}", "$pid $id", 'the one of this connection');
        cmp_ok($row->{request}{reserved_bytes}, '>=', 5_000_000, 'with its bytes');
        cmp_ok($row->{request}{reserved_bytes}, '<', 10_000_000, 'and nobody else\'s');
        $p[$n]->release('hold');
    }
    is($conn->response->{status}, 200, "answer $_") for 1 .. 4;
    is(idle($pid, $id, 4)->{requests}, 4, 'four requests in all');
};

subtest 'an idle connection' => sub {
    my ($conn, $pid, $id) = connected();
    my $row = idle($pid, $id, 1);
    ok(!serves($row), 'has no request');
    cmp_ok($row->{reserved_bytes}, '>=', 8192, 'but has memory');
    $conn->close;
    ok(wait_for(sub { !row_by_id(json_now(), $pid, $id) }, 10), 'and is gone when the client is');
};

done_testing;
