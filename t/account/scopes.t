# Each scope, exactly: while the probe holds, and back to what it was afterwards.
use strict;
use warnings;
use PST;
use Test::More;

my $BYTES = 10 * 1024 * 1024;    # above MaxMemFree: no free list can hand out anything larger

# name => which figures grow: request, connection (its whole tree), process; and by how many pools
my %scope = (
    request    => { request => 1, connection => 1, process => 0, pools => 0 },
    subpool    => { request => 1, connection => 1, process => 0, pools => 1 },
    connection => { request => 0, connection => 1, process => 0, pools => 0 },
    connsub    => { request => 0, connection => 1, process => 0, pools => 1 },
    childsub   => { request => 0, connection => 0, process => 1, pools => 1 },
    child      => { request => 0, connection => 0, process => 1, pools => 0 },
    globalsub  => { request => 0, connection => 0, process => 1, pools => 1 },
    unmanaged  => { request => 0, connection => 0, process => 1, pools => 1 },
);

# A child's own pools also come and go with the observer's connections (recycled
# transaction pools): figures of the process scope are taken again until two looks
# saw the same number of other pools.
sub look {
    my ($p) = @_;
    my $json = json_now();
    my @row  = row_of($json, $p->name);
    return { error => scalar(@row) . ' rows for one request' } if @row != 1;
    my $row   = $row[0];
    my $child = child_of($json, $row->{pid});
    return {
        id => $row->{id}, pid => $row->{pid}, row => $row, child => $child,
        request => $row->{request}{reserved_bytes}, connection => $row->{reserved_bytes},
        process => $child->{process}{reserved_bytes},
        pools   => { request => $row->{request}{pools}, connection => $row->{pools}, process => $child->{process}{pools} },
    };
}

sub measure {
    my ($name, $query, $expect) = @_;
    my ($p, $a, $b, $c, $before, $after);
    for my $try (1 .. 6) {
        $p = PST::Probe->start("pool=$name&$query", hold => [qw(hold0 hold hold2)]);
        $p->arrived('hold0');
        $a = look($p);
        $p->release('hold0');
        $after = $p->arrived('hold');
        $b = look($p);
        $p->release('hold');
        $p->arrived('hold2');
        $c = look($p);
        $p->finish;
        last unless $expect->{process} && !$a->{error} && !$b->{error} && !$c->{error};
        last if $b->{pools}{process} - $a->{pools}{process} == $expect->{pools}
          && $c->{pools}{process} == $a->{pools}{process};
    }
    return ($a, $b, $c, $after);
}

for my $name (sort keys %scope) {
    my $expect = $scope{$name};
    my $query  = "bytes=$BYTES";
    subtest $name => sub {
        my ($a, $b, $c, $report) = measure($name, $query, $expect);
        is($_->{error}, undef, 'one row') for $a, $b, $c;
        return if $a->{error} || $b->{error} || $c->{error};
        is("$b->{pid} $b->{id}", "$a->{pid} $a->{id}", 'the same connection');
        my $node = node_size($BYTES, $report->{node_overhead});
        my $grown = $expect->{pools} ? $report->{reserved_after} : $report->{reserved_after} - $report->{reserved_before};
        is($grown, $node + ($expect->{pools} ? 8192 : 0), "the probe saw APR's rule");
        for my $figure (qw(request connection process)) {
            my $times = $expect->{$figure};
            next if $figure eq 'process' && !$times;    # other connections' business moves it
            is($b->{$figure} - $a->{$figure}, $times * $grown, "$figure grew by " . $times * $grown);
            is($b->{pools}{$figure} - $a->{pools}{$figure}, $times * $expect->{pools}, "$figure pools");
        }
        if ($expect->{pools}) {
            is($c->{$_}, $a->{$_}, "$_ is back") for grep { $expect->{$_} || $_ ne 'process' } qw(request connection process);
        }
        cmp_ok($b->{row}{request}{peak_bytes}, '>=', $b->{request}, "the request's peak covers it");
        cmp_ok($b->{row}{peak_bytes}, '>=', $b->{connection}, "the connection's peak covers it");
        is($b->{row}{kind}, 'client', 'kind');
        is($b->{row}{state}, 'handler', 'state');
        like($b->{row}{client}, qr/^127\.0\.0\.1/, 'client');
        is($b->{row}{vhost}, 'main.example', 'vhost');
        is($b->{row}{protocol}, 'http/1.1', 'protocol, by the name ALPN gives it');
        is($b->{row}{request}{handler}, 'poolprobe', 'handler');
        cmp_ok($_->{used_bytes}, '<=', $_->{reserved_bytes}, 'used is part of reserved') for $b->{row}, $b->{row}{request};
    };
}

subtest 'bytes that the request pool holds, absolutely' => sub {
    my $p = PST::Probe->start('pool=request&bytes=300000&pieces=7', hold => ['hold']);
    my $report = $p->arrived('hold');
    my $row = row_of(json_now(), $p->name);
    is($row->{request}{pools}, 1, 'one pool');
    is($row->{request}{reserved_bytes}, $report->{request_reserved}, "the sum of the request pool's ring");
    cmp_ok($row->{reserved_bytes}, '>=', $report->{connection_reserved} + $report->{request_reserved},
        'the connection has its own and the request in it');
    $p->finish;
};

subtest 'many pieces' => sub {
    my $p = PST::Probe->start('pool=request&bytes=100&pieces=50000', hold => ['hold']);
    my $report = $p->arrived('hold');
    my $row = row_of(json_now(), $p->name);
    is($row->{request}{reserved_bytes}, $report->{request_reserved}, '50,000 small ones');
    $p->finish;
    cmp_ok($report->{nodes_after}, '>', 100, 'took many nodes');
};

subtest 'a string across nodes' => sub {
    my $p = PST::Probe->start('pool=request&printf=200000', hold => [qw(hold0 hold)]);
    my $before = do { $p->arrived('hold0'); row_of(json_now(), $p->name) };
    $p->release('hold0');
    my $report = $p->arrived('hold');
    my $row = row_of(json_now(), $p->name);
    is($row->{request}{reserved_bytes}, $report->{request_reserved}, 'apr_psprintf');
    cmp_ok($row->{request}{reserved_bytes} - $before->{request}{reserved_bytes}, '>=', 200000, 'grew by the string at least');
    $p->finish;
};

subtest 'buckets' => sub {
    my $p = PST::Probe->start("pool=buckets&bytes=$BYTES&pieces=2", hold => [qw(hold0 hold hold2)]);
    my $report = $p->arrived('hold0');
    my $a = look($p);
    $p->release('hold0');
    $p->arrived('hold');
    my $b = look($p);
    $p->release('hold');
    $p->arrived('hold2');
    my $c = look($p);
    # a bucket's header (apr_buckets_alloc.c, node_header_t) is four words
    my $node = node_size($BYTES + 4 * 8, $report->{node_overhead});
    is($b->{row}{bucket_bytes} - $a->{row}{bucket_bytes}, 2 * $node, 'two nodes');
    is($b->{connection} - $a->{connection}, 0, 'in no pool');
    is($c->{row}{bucket_bytes}, $a->{row}{bucket_bytes}, 'and back');
    $p->finish;
};

subtest 'cleared, not destroyed' => sub {
    my $p = PST::Probe->start("pool=connsub&bytes=$BYTES&free=clear", hold => [qw(hold0 hold hold2)]);
    $p->arrived('hold0');
    my $a = look($p);
    $p->release('hold0');
    $p->arrived('hold');
    $p->release('hold');
    $p->arrived('hold2');
    my $c = look($p);
    is($c->{connection} - $a->{connection}, 8192, 'its first node stays');
    is($c->{pools}{connection} - $a->{pools}{connection}, 1, 'and the pool');
    $p->finish;
};

done_testing;
