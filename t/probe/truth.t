# The probe is what all other tests believe, so it is held against APR's rule first.
use strict;
use warnings;
use PST;
use Test::More;

my $p = PST::Probe->start('pool=unmanaged&bytes=100000', hold => ['hold']);
my $r = $p->arrived('hold');
my $overhead = $r->{node_overhead};
is($r->{nodes_before}, 1, 'a new pool is one node');
is($r->{reserved_before}, 8192, 'of two pages');
is($r->{nodes_after} - $r->{nodes_before}, 1, 'a large piece takes one more');
is($r->{reserved_after} - $r->{reserved_before}, node_size(100000, $overhead), 'rounded up to pages, header included');
my $answer = $p->finish;
is($answer->{status}, 200, 'the probe answers');
is(json_of($answer->{body})->{reserved_after}, $r->{reserved_after}, 'with the same report');

for my $bytes (1, 4000, 8152, 8153, 12248, 12249, 81920, 3 * 1024 * 1024 + 5) {
    my $r = json_of(fetch("/poolprobe?pool=unmanaged&bytes=$bytes")->{body});
    my $room = $r->{reserved_before} - $overhead - ($r->{used_after} - $bytes);
    my $more = $bytes <= 4000 ? 0 : node_size($bytes, $overhead);
    is($r->{reserved_after} - $r->{reserved_before}, $more, "$bytes bytes take $more more");
}

my $g = json_of(fetch('/poolprobe?pool=unmanaged&grow=1000')->{body});
is($g->{nodes_after}, 1001, '1000 growths are 1000 nodes');
is($g->{reserved_after}, 1001 * 8192, 'of two pages each');

my $s = json_of(fetch('/poolprobe?pool=unmanaged&printf=100000')->{body});
cmp_ok($s->{used_after}, '>', 100000, 'psprintf across nodes');

is(fetch('/poolprobe?pool=nonsense')->{status}, 400, 'an unknown pool is refused');
is(fetch('/poolprobe?churn=1000&bytes=100')->{status}, 200, 'churn ends');
is(length fetch('/poolprobe?output=100000')->{body}, 100000, 'as many bytes as asked for');
is(length fetch('/poolprobe?stream=20&chunk=100&every=1&output=none')->{body}, 2000, 'a stream');

my $t = token();
fetch("/poolprobe?release=$t");
my $conn = PST::Conn->new(port);
$conn->get("/poolprobe?hold=$t");
ok($conn->response(timeout => 5)->{complete}, 'a wait released before it began does not wait');
is(json_of(fetch("/poolprobe?peek=$t")->{body})->{arrived}, 1, 'and is seen to have come');

my $two = PST::Probe->start('pool=subpool&bytes=50000', hold => [qw(hold0 hold hold2)]);
is($two->arrived('hold0')->{nodes_after}, 0, 'before: nothing');
$two->release('hold0');
cmp_ok($two->arrived('hold')->{nodes_after}, '>=', 2, 'in the middle: the pool');
$two->release('hold');
ok($two->arrived('hold2'), 'after');
ok($two->finish->{complete}, 'and an answer');

done_testing;
