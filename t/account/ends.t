# However a connection ends, its row goes and its memory is given back.
use strict;
use warnings;
use PST;
use Test::More;

sub gone {
    my ($pid, $id, $seconds) = @_;
    return wait_for(sub { !row_by_id(json_now(), $pid, $id) }, $seconds // 15);
}

sub balanced {
    my @wrong;
    wait_for(sub { @wrong = books_balance(json_now()); !@wrong }, 10);
    is("@wrong", '', 'the books balance');
}

subtest 'a client that resets while its request is held' => sub {
    my $p = PST::Probe->start('pool=connection&bytes=12000000', hold => ['hold']);
    $p->arrived('hold');
    my $row = row_of(json_now(), $p->name);
    $p->conn->abort;
    ok(row_by_id(json_now(), $row->{pid}, $row->{id}), 'the handler does not know yet: the row stays');
    $p->release('hold');
    ok(gone($row->{pid}, $row->{id}), 'gone when the handler returns');
    balanced();
};

subtest 'a client that resets in the middle of a stream' => sub {
    my $name = token('s');
    my $conn = PST::Conn->new(port);
    $conn->get("/poolprobe?stream=100000&chunk=1000&every=5&leak=request&bytes=9000&output=none&n=$name");
    $conn->some(5000);
    my ($a, $b);
    ok(wait_for(sub { $a = row_of(json_now(), $name) }, 10), 'a row while it streams');
    ok(wait_for(sub { $b = row_of(json_now(), $name); $b && $b->{request}{reserved_bytes} > $a->{request}{reserved_bytes} }, 10),
        'that grows as it leaks');
    $conn->abort;
    ok(gone($a->{pid}, $a->{id}), 'gone after the reset');
    balanced();
};

subtest 'a request that never comes' => sub {
    my $short = stage()->{port_short};
    my $conn = PST::Conn->new($short);
    my %known = map { ("$_->{pid} $_->{id}" => 1) } rows(json_now());
    $conn->send("GET /small.txt HTTP/1.1\r\nHost: short");
    my $row;
    ok(wait_for(sub { ($row) = grep { $_->{state} eq 'reading' && $_->{vhost} =~ /^(?:short\.example|)$/ } rows(json_now()); $row }, 5),
        'reading');
    ok($conn->closed(20), 'the server gives up');
    ok($row && gone($row->{pid}, $row->{id}), 'and the row goes');
    balanced();
};

subtest 'a keep-alive connection that times out' => sub {
    my $short = stage()->{port_short};
    my $conn = PST::Conn->new($short);
    my $p = PST::Probe->start('pool=connection&bytes=100000', port => $short, conn => $conn, host => 'short.example');
    $p->arrived('hold');
    my $row = row_of(json_now(), $p->name);
    is($row->{vhost}, 'short.example', 'on its vhost');
    $p->finish;
    ok($conn->closed(20), 'the server closes it');
    ok(gone($row->{pid}, $row->{id}), 'and the row goes');
    balanced();
};

subtest 'a client that does not read' => sub {
    my $name = token('d');
    my $conn = PST::Conn->new(stage()->{port_short});
    $conn->get("/poolprobe?output=200000000&n=$name", host => 'short.example');
    my $row;
    ok(wait_for(sub { ($row) = grep { $_->{vhost} eq 'short.example' && serves($_) } rows(json_now()); $row }, 10), 'a row');
    ok(gone($row->{pid}, $row->{id}, 30), 'gone after the timeout to write') if $row;
    balanced();
    $conn->close;
};

subtest 'a request that is refused' => sub {
    for my $request ("GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /x HTTP/9.9\r\nHost: a\r\n\r\n",
        'GET /' . ('a' x 20000) . " HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n" . "X: y\r\n" x 200 . "\r\n") {
        my $conn = PST::Conn->new(port);
        $conn->send($request);
        cmp_ok($conn->response->{status}, '>=', 400, substr($request, 0, 20) =~ s/[^ -~]/./gr);
        $conn->close;
    }
    ok(wait_for(sub { !grep { serves($_) && $_->{request}{line} !~ m{^GET /pool-status/json} } rows(json_now()) }, 15),
        'no request is left behind');
    balanced();
};

done_testing;
