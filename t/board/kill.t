# Children killed with SIGKILL under load, twenty times: no stale row, no lost server, right sums.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('kill');
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my $parent = $s->pid;
$s->load('/small.txt', 3, 60);

my ($vanished, $answered) = (0, 0);
for my $n (1 .. 20) {
    my $json;
    wait_for(sub { $json = eval { $s->json(timeout => 5) }; $json && @{ $json->{children} } }, 15) or last;
    # the first, the last, one in between; when it can be, one in the middle of a request
    my @pids = sort { $a <=> $b } map { $_->{pid} } @{ $json->{children} };
    my @busy = map { $_->{pid} } grep { serves($_) } rows($json);
    my $victim = $n % 2 && @busy ? $busy[ $n % @busy ] : $pids[ $n % @pids ];
    kill KILL => $victim;
    $vanished++ if wait_for(sub {
        my $j = eval { $s->json(timeout => 5) };
        $j && !child_of($j, $victim);
    }, 15);
    $answered++ if wait_for(sub { $s->fetch('/small.txt', timeout => 5)->{status} == 200 }, 15);
}
is($vanished, 20, 'each dead child left the board');
is($answered, 20, 'the server answered after each');
$s->load_end;

my $held = PST::Probe->start('pool=request&bytes=12000000', port => $s->port, ask => $s->port);
$held->arrived('hold');
my $row = row_of($s->json, $held->name);
kill KILL => $row->{pid};
ok($held->conn->closed(10), 'one more, while its handler holds memory');
my $json;
ok(wait_for(sub { $json = eval { $s->json } or return 0; !child_of($json, $row->{pid}) }, 15), 'its child left the board');
is(scalar(row_of($json, $held->name)) ? 1 : 0, 0, 'and its row');
cmp_ok($json->{total}{reserved_bytes}, '<', 12000000 + 50_000_000, 'its bytes are in no sum');

ok(!$s->ended, 'the parent lives') and is($s->pid, $parent, 'the same one');
my (@stale, @wrong);
ok(wait_for(sub {
    $json = $s->json;
    my %live = map { $_ => 1 } $s->child_pids;
    @stale = grep { !$live{$_} } map { $_->{pid} } @{ $json->{children} };
    !@stale;
}, 15), 'every child on the board is a child of the parent') or diag("stale: @stale");
wait_for(sub { @wrong = books_balance($s->json); !@wrong }, 15);
is("@wrong", '', 'the books balance');
my $sum = 0;
ok(wait_for(sub {
    $json = $s->json;
    $sum = 0;
    $sum += $_->{reserved_bytes} for @{ $json->{children} };
    $sum == $json->{total}{reserved_bytes};
}, 5), 'the total is the sum of the children');
is($s->stop, 0, 'stops in order');
done_testing;
