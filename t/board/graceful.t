# Graceful restarts under load, twenty of them: generations side by side, none left behind.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('graceful');
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my $parent = $s->pid;

subtest 'two generations side by side' => sub {
    my $p = PST::Probe->start('pool=request&bytes=12000000', port => $s->port, ask => $s->port, hold => [qw(hold0 hold)]);
    $p->arrived('hold0');
    my $a = row_of($s->json, $p->name);
    my $old = child_of($s->json, $a->{pid})->{generation};
    ok($s->graceful, 'restarted while a request is held');
    my $json;
    ok(wait_for(sub { $json = $s->json; grep { $_->{generation} > $old } @{ $json->{children} } }, 10), 'a new generation is there');
    is(child_of($json, $a->{pid}) && child_of($json, $a->{pid})->{generation}, $old, 'and the old one beside it');
    $p->release('hold0');
    my $report = $p->arrived('hold');
    my $b = row_of($s->json, $p->name);
    is($b && $b->{request}{reserved_bytes} - $a->{request}{reserved_bytes}, $report->{reserved_after} - $report->{reserved_before},
        'the old child still counts exactly');
    is($p->finish->{status}, 200, 'its request is answered');
    ok(wait_for(sub { !child_of($s->json, $a->{pid}) }, 20), 'then it leaves the board');
};

$s->load('/small.txt', 3, 120);
my ($restarted, $answered, $fresh) = (0, 0, 0);
for my $n (1 .. 20) {
    my $generation = (sort { $b <=> $a } map { $_->{generation} } @{ $s->json->{children} })[0];
    $restarted++ if $s->graceful;
    $answered++ if wait_for(sub { $s->fetch('/small.txt', timeout => 5)->{status} == 200 }, 15);
    $fresh++ if wait_for(sub {
        my $j = eval { $s->json(timeout => 5) };
        $j && grep { $_->{generation} > ($generation // 0) } @{ $j->{children} };
    }, 15);
}
is($restarted, 20, 'twenty restarts');
is($answered, 20, 'an answer after each');
is($fresh, 20, 'children of the new generation after each');
$s->load_end;
ok(!$s->ended, 'the parent lives') and is($s->pid, $parent, 'the same one');

my ($json, @stale, @wrong);
ok(wait_for(sub {
    $json = $s->json;
    my %live = map { $_ => 1 } $s->child_pids;
    @stale = grep { !$live{$_} } map { $_->{pid} } @{ $json->{children} };
    !@stale;
}, 20), 'every child on the board is a child of the parent') or diag("stale: @stale");
ok(wait_for(sub {
    my %g = map { $_->{generation} => 1 } @{ $s->json->{children} };
    keys %g == 1;
}, 30), 'one generation is left') or diag(join ' ', map $_->{generation}, @{ $s->json->{children} });
wait_for(sub { @wrong = books_balance($s->json); !@wrong }, 15);
is("@wrong", '', 'the books balance');
is($s->json->{server}{homeless_children}, 0, 'every child found a block');
is($s->stop, 0, 'stops in order');
done_testing;
