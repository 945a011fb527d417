# poolstat top in a terminal: what it shows, its keys, sizes, and that it gives the terminal back.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';

my $s = PST::Server->new('command-top', limits => "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMaxRequestWorkers 10\n");
ok($s->start, 'a server with one child') or BAIL_OUT($s->log_text);
my %p = map { $_->[0] => PST::Probe->start($_->[1], port => $s->port, ask => $s->port) }
  [ large => 'pool=request&bytes=9000000' ], [ buckets => 'pool=buckets&bytes=4000000' ], [ small => 'pool=request&bytes=10000' ];
$_->arrived('hold') for values %p;
my $json = $s->json;
my ($parent, $child) = ($json->{server}{parent_pid}, $json->{children}[0]{pid});
my $t = PST::Command->terminal(120, 40, 'top', '--pid', $parent, '--interval', '0.2');

# The id of the connection in the first row, under the headings; and that of a probe's.
sub first_id { my ($text) = @_; return $text =~ /^ *Pid +Id .*\n *\d+ +(\d+) /m ? $1 : 0 }
my %id = map { $_ => row_of($json, $p{$_}->name)->{id} } keys %p;

subtest 'all children' => sub {
    my $text = $t->shows(qr/^ *$child .*MiB/m) or return fail('the child');
    like($text, qr/^Apache\/.*parent $parent/m, 'the server');
    like($text, qr/^Held \S+ MiB = In process/m, 'the sums');
    like($text, qr/Held, recorded/, 'the charts\' heading');
    ok($t->shows(qr/^ *$child .*[\x{2581}-\x{2588}]|^ *$child .*\xe2\x96[\x81-\x88]/m), 'and a chart');
    like($text, qr/^q quit/m, 'the help line');
};

subtest 'sorting' => sub {
    $t->keys('Enter');
    ok($t->shows(qr/^Child $child, generation 0/m), 'into the child') or return;
    ok($t->shows(qr/Held, as recorded/), 'its chart');
    ok($t->shows(qr/^P+C+R+B+F*/m), 'its parts');
    $t->keys('r');
    ok($t->shows(qr/sorted by reserved/), 'by reserved');
    is(first_id($t->text), $id{large}, 'the largest request on top');
    $t->keys('b');
    ok($t->shows(qr/sorted by buckets/), 'by buckets');
    is(first_id($t->text), $id{buckets}, 'another one on top') or diag($t->text);
    $t->keys('a');
    ok($t->shows(qr/sorted by age/), 'by age');
    $t->keys('r');
    ok($t->shows(qr/sorted by reserved/), 'by reserved again');
};

subtest 'into a connection and back' => sub {
    $t->keys('Home', 'Enter');
    my $text = $t->shows(qr/^Connection \d+ of child $child: client, handler/m) or return fail('the connection');
    like($text, qr/^Request +GET \S+\Q@{[ $p{large}->name ]}\E/m, 'its request line');
    like($text, qr/^Client +127\.0\.0\.1/m, 'its client');
    like($text, qr/^Reserved +8\.6 MiB +8\.6 MiB/m, 'its figures and its request\'s');
    ok($t->shows(qr/Reserved, since you look\n.*MiB/), 'a chart of what was seen');
    $t->keys('Escape');
    ok($t->shows(qr/^Child $child, generation 0/m), 'back');
    $t->keys('Down', 'Down', 'Enter');
    ok($t->shows(qr/^Connection \d+ of child $child/m), 'another one') or return;
    unlike($t->text, qr/\Q@{[ $p{large}->name ]}\E/, 'that is not the first');
    $t->keys('Left', 'Left');
    ok($t->shows(qr/^Held \S+ MiB = In process/m), 'back to all children');
};

subtest 'what is selected stays selected' => sub {
    $t->keys('Enter', 'Home', 'Enter');
    ok($t->shows(qr/\Q@{[ $p{large}->name ]}\E/), 'the large one') or return;
    $p{large}->finish;
    $p{large}->conn->close;
    ok($t->shows(qr/^Connection \d+ of child $child is gone/m), 'it says that it is gone');
    $t->keys('BSpace');
    ok($t->shows(qr/^Child $child/m), 'back');
    $t->keys('Left');
};

subtest 'help, pause, interval' => sub {
    $t->keys('?');
    ok($t->shows(qr/Any key goes back/), 'help');
    $t->keys('x');
    ok($t->shows(qr/^Held \S+ /m), 'and back');
    $t->keys('Space');
    ok($t->shows(qr/^paused/m), 'paused');
    $t->keys('Space');
    ok(wait_for(sub { $t->text !~ /^paused/m }), 'and goes on');
    $t->keys('+');
    ok($t->shows(qr/every 0\.4 s/), 'slower');
    $t->keys('-');
    ok($t->shows(qr/every 0\.2 s/), 'faster');
};

subtest 'any size' => sub {
    for my $size ([ 200, 60 ], [ 20, 4 ], [ 5, 2 ], [ 120, 40 ]) {
        $t->resize(@$size);
        for my $screen ('Enter', 'Enter', 'Left', 'Left') {
            $t->keys($screen);
            ok($t->shows(qr/\S/), "$size->[0] x $size->[1] after $screen") or return;
        }
    }
    ok($t->shows(qr/^Apache\/.*parent $parent/m), 'and all is there again');
};

subtest 'a graceful restart, and the end' => sub {
    for (qw(buckets small)) { $p{$_}->finish; $p{$_}->conn->close }    # the old child would wait for them
    ok($s->graceful, 'restarted');
    my ($new) = map $_->{pid}, grep { $_->{pid} != $child } @{ $s->json->{children} };
    ok($t->shows(qr/^ *$new /m), 'the new child is shown');
    is($s->stop, 0, 'stopped');
    ok($t->shows(qr/the server is gone/), 'the end of the server is told');
    ok($t->shows(qr/parent $parent \(gone\)/), 'what it left is shown');
    $t->keys('q');
    my $text = $t->shows(qr/^status=0/m);
    ok($text, 'q quits');
    unlike($text // '', qr/q quit/, 'the terminal is given back');
};

subtest 'other ends' => sub {
    my $file = $s->board;
    my $u = PST::Command->terminal(100, 20, 'top', '--file', $file, '--interval', '0.1');
    ok($u->shows(qr/q quit/), 'of a dead server') or return;
    $u->keys('C-c');
    ok($u->shows(qr/^status=0/m), 'Ctrl-C');
    $u = PST::Command->terminal(100, 20, 'top', '--file', $file, '--count', 2, '--interval', '0.1');
    ok($u->shows(qr/^status=0/m), '--count');
    $u = PST::Command->terminal(100, 20, 'top', '--file', $file, '--interval', '0.1');
    ok($u->shows(qr/q quit/), 'again') or return;
    truncate $file, 5000;
    ok($u->shows(qr/^status=5/m), 'a board that is cut under it ends it in order');
    is(poolstat('top', '--file', $file)->{status}, 5, 'and is refused');
    is(poolstat('top', '--pid', $$)->{status}, 3, 'no server');
};

subtest 'a board that is taken away, then cut' => sub {
    my $s = PST::Server->new('command-away');
    ok($s->start && $s->stop == 0, 'a board that was left') or return;
    my $file = $s->board;
    my $u = PST::Command->terminal(100, 20, 'top', '--file', $file, '--interval', '0.1');
    ok($u->shows(qr/q quit/), 'is shown') or return;
    rename $file, "$file.away";
    ok($u->shows(qr/cannot be opened/), 'its name is gone, which is told');
    ok($u->shows(qr/q quit/), 'and goes on being shown');
    truncate "$file.away", 5000;
    ok($u->shows(qr/^status=5/m), 'when it is cut, too, top ends in order');
    unlike($u->text, qr/Bus error|core dumped/, 'by no signal');
};
done_testing;
