# Live at every moment: a handler that allocates, or computes, without any input or
# output; and a pool of 100,000 nodes, which grows as fast at its end as at its start.
use strict;
use warnings;
use PST;
use Test::More;

subtest 'a handler that allocates for two seconds' => sub {
    my $p = PST::Probe->start('pool=request&bytes=100000&pieces=200&pace=10000', hold => ['hold']);
    my (%seen, @order, $state);
    wait_for(sub {
        my $row = row_of(json_now(), $p->name);
        if ($row) {
            my $size = $row->{request}{reserved_bytes};
            push @order, $size unless $seen{$size}++;
            $state = $row->{state};
        }
        my $at = $p->_ask(peek => 'hold');
        return $at && $at->{arrived};
    }, 30);
    my $report = $p->arrived('hold');
    cmp_ok(scalar @order, '>=', 5, 'seen at ' . @order . ' sizes');
    is("@order", join(' ', sort { $a <=> $b } @order), 'that only grow');
    my $node = node_size(100000);
    # a look may come before the first piece, when the request's pool has yet to take its own second node
    my @pieces = grep { $_ >= $node } @order;
    is(scalar(grep { ($_ - $pieces[0]) % $node } @pieces), 0, 'by whole nodes of its pieces');
    cmp_ok(scalar @pieces, '>=', 4, 'seen while they were made');
    is($state, 'handler', 'in its handler');
    is(row_of(json_now(), $p->name)->{request}{reserved_bytes}, $report->{request_reserved}, 'to the exact end');
    $p->finish;
};

subtest 'a handler that computes' => sub {
    my $name = token('cpu');
    my $conn = PST::Conn->new(port);
    $conn->get("/poolprobe?pool=request&bytes=7000000&cpu=1500&n=$name");
    my $row;
    ok(wait_for(sub { $row = row_of(json_now(), $name); $row && $row->{request}{reserved_bytes} > 7000000 }, 5), 'is seen with its bytes');
    ok(wait_for(sub { my $r = row_of(json_now(), $name); $r && $r->{request}{age_seconds} > $row->{request}{age_seconds} }, 5), 'and ages');
    is($conn->response->{status}, 200, 'and ends');
};

subtest '100,000 nodes' => sub {
    my @ratio;
    for my $try (1 .. 3) {
        my $p = PST::Probe->start('pool=request&grow=100000', hold => [qw(hold0 hold)]);
        $p->arrived('hold0');
        my $before = row_of(json_now(), $p->name);
        $p->release('hold0');
        my $report = $p->arrived('hold', 60);
        my $row = row_of(json_now(), $p->name);
        # the first few may come out of a free list, larger than asked for: so by what the probe saw
        my $nodes = $report->{nodes_after} - $report->{nodes_before};
        cmp_ok($nodes, '>', 99_000, 'as many nodes');
        is($row->{request}{reserved_bytes} - $before->{request}{reserved_bytes},
            $report->{reserved_after} - $report->{reserved_before}, 'all of them counted');
        is($row->{request}{growths} - $before->{request}{growths}, $nodes, 'and as many growths');
        $p->finish;
        my @tenth = @{ $report->{tenth_ns} };
        my @early = sort { $a <=> $b } @tenth[ 0 .. 4 ];
        my @late  = sort { $a <=> $b } @tenth[ 5 .. 9 ];
        push @ratio, $late[0] / $early[2];
        note("tenths, ms: @{[ map int($_ / 1e6), @tenth ]}");
        last if $ratio[-1] < 2;
    }
    my ($best) = sort { $a <=> $b } @ratio;
    cmp_ok($best, '<', 2, sprintf 'the later half grows as fast as the earlier one (%.2f)', $best);
};

subtest 'pools made and destroyed by the thousand' => sub {
    my $p = PST::Probe->start('churn=20000&bytes=9000', hold => [qw(hold0 hold)]);
    $p->arrived('hold0');
    my $a = json_now();
    my $ra = row_of($a, $p->name);
    $p->release('hold0');
    $p->arrived('hold', 60);
    my $b = json_now();
    my $rb = row_of($b, $p->name);
    my ($ca, $cb) = map { child_of($_, $ra->{pid}) } $a, $b;
    for my $counter (qw(pools_created pools_destroyed pools_cleared)) {
        cmp_ok($cb->{$counter} - $ca->{$counter}, '>=', 20000, $counter);
        cmp_ok($cb->{$counter} - $ca->{$counter}, '<', 20400, "$counter, not more than happened");
    }
    is($rb->{request}{reserved_bytes}, $ra->{request}{reserved_bytes}, 'the request is as large as before');
    is($rb->{request}{pools}, $ra->{request}{pools}, 'and has as many pools');
    cmp_ok($rb->{request}{peak_bytes}, '>=', $ra->{request}{reserved_bytes} + 8192 + 12288, 'its peak knows better');
    $p->finish;
};

done_testing;
