# More connections than slots: none is lost from the sums, and the page says so.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $one = mpm() eq 'prefork';
my $s = PST::Server->new('slots', conf => "PoolStatConnections 2\n", limits => $one
    ? "StartServers 6\nMinSpareServers 1\nMaxSpareServers 8\nServerLimit 8\nMaxRequestWorkers 8\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 12\nThreadLimit 12\nMinSpareThreads 1\nMaxSpareThreads 12\nMaxRequestWorkers 12\n");
ok($s->start, 'a server with two slots a child') or diag($s->start_text, $s->log_text);

SKIP: {
    skip 'a prefork child has one client connection at a time', 1 if $one;
    subtest 'eight connections' => sub {
        my @p = map { PST::Probe->start('pool=request&bytes=12000000', port => $s->port, ask => $s->port) } 1 .. 8;
        my @r = map { $_->arrived('hold') } @p;
        my ($json, $child);
        wait_for(sub { $json = $s->json; ($child) = @{ $json->{children} }; $child->{connections_open} == 9 }, 10);
        is(scalar(@{ $child->{connections} }), 2, 'two rows');
        is($child->{connections_open}, 9, 'nine connections are open, the one that asks included');
        is($child->{unslotted_connections}, 7, 'seven have no slot');
        cmp_ok($child->{unslotted}{reserved_bytes}, '>=', 6 * node_size(12000000), 'but are in a sum of their own');
        cmp_ok($json->{total}{reserved_bytes}, '>=', 8 * node_size(12000000), 'and in the total');
        is(scalar(grep /is not process/, books_balance($json)), 0, 'which is the sum of its parts');
        $_->finish for @p;
        $_->conn->close for @p;
        my $after;
        ok(wait_for(sub { ($after) = @{ $s->json->{children} }; $after->{unslotted_connections} == 0 && $after->{connections_open} == 1 }, 15),
            'afterwards none is without') or diag(explain($after));
        cmp_ok($after->{unslotted_connections_opened} // $after->{unslotted_opened}, '>=', 7, 'but it is remembered');
        cmp_ok($after->{unslotted}{reserved_bytes}, '<', 12000000, 'the memory is given back');
    };
}
my @wrong;
wait_for(sub { @wrong = books_balance($s->json); !@wrong }, 10);
is("@wrong", '', 'the books balance');
is($s->stop, 0, 'stops');
done_testing;
