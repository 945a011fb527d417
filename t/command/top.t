# poolstat top in a terminal: what it shows, its keys, sizes, and that it gives the terminal back.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
plan skip_all => PST::Command::lacks_terminal() if PST::Command::lacks_terminal();

my $s = PST::Server->new('command-top', limits => "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMaxRequestWorkers 10\n");
ok($s->start, 'a server with one child') or BAIL_OUT($s->log_text);
my %p = map { $_->[0] => PST::Probe->start($_->[1], port => $s->port, ask => $s->port) }
  [ large => 'pool=request&bytes=9000000' ], [ buckets => 'pool=buckets&bytes=4000000' ], [ small => 'pool=request&bytes=10000' ];
$_->arrived('hold') for values %p;
my $json = $s->json;
my ($parent, $child) = ($json->{server}{parent_pid}, $json->{children}[0]{pid});
my $t = PST::Command->terminal(120, 40, 'top', '--pid', $parent, '--interval', '0.2');

# Connections that finished some requests; whose allocator keeps what a request freed.
sub busy { my $conn = PST::Conn->new($s->port); $conn->get('/small.txt'), $conn->response for 1 .. 30; return $conn }

sub retaining {
    my $conn = PST::Conn->new($s->port);
    my $p = PST::Probe->start('pool=request&bytes=60000&pieces=25', port => $s->port, ask => $s->port, conn => $conn);
    $p->arrived('hold');
    $p->finish;
    return $conn;
}

# The id of the connection in the first row, under the headings; and that of a probe's.
sub first_id { my ($text) = @_; return $text =~ /^ *Pid +Id .*\n *\d+ +(\d+) /m ? $1 : 0 }
my %id = map { $_ => row_of($json, $p{$_}->name)->{id} } keys %p;

subtest 'all children' => sub {
    my $text = $t->shows(qr/^ *$child .*MiB/m) or return fail('the child');
    like($text, qr/^Apache\/.*parent $parent/m, 'the server');
    like($text, qr/^Held \S+ MiB = In process/m, 'the sums');
    like($text, qr/Held, recorded/, 'the charts\' heading');
    ok($t->shows(qr/^ *$child .*[\x{2581}-\x{2588}]|^ *$child .*\xe2\x96[\x81-\x88]/m), 'and a chart');
    like($text, qr/^\? help  q quit/m, 'the keys, help first');
    like($text, qr/^ *Pid .* PSS +Held +Retained .* Growth +State/m, 'what tells of growth');
};

subtest 'sorting' => sub {
    $t->keys('Enter');
    ok($t->shows(qr/^Child $child, generation 0, age \d/m), 'into the child') or return;
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
    ok($t->shows(qr/Reserved, as seen here\n.*MiB/), 'a chart of what was seen');
    like($text, qr/^Connection .*, age \d.* s$/m, 'its age');
    $t->keys('Escape');
    ok($t->shows(qr/^Child $child, generation 0/m), 'back');
    $t->keys('Down', 'Down', 'Enter');
    ok($t->shows(qr/^Connection \d+ of child $child/m), 'another one') or return;
    unlike($t->text, qr/\Q@{[ $p{large}->name ]}\E/, 'that is not the first');
    $t->keys('Left', 'Left');
    ok($t->shows(qr/^Held \S+ MiB = In process/m), 'back to all children');
};

# Each of these is first by one order alone, and so tells which one it is.
subtest 'every order' => sub {
    my %more = map { $_->[0] => PST::Probe->start($_->[1], port => $s->port, ask => $s->port, conn => $_->[2] // PST::Conn->new($s->port)) }
      [ slack => 'pool=request&bytes=5000&pieces=2400', PST::Conn->new($s->port, '127.0.0.2') ],     # 12 MB in nodes of which a third stays unused
      [ pools => 'pool=request&many=60&tag=many&bytes=10', undef ], [ requests => 'pool=request&bytes=100', busy() ],
      [ retained => 'pool=request&bytes=100', retaining() ];
    $_->arrived('hold') for values %more;
    my $json = $s->json;
    my %row = map { $_ => row_of($json, $more{$_}->name) } keys %more;
    my %first = (u => [ used => $row{slack}{id} ]);
    $t->keys('Enter');
    ok($t->shows(qr/^Child $child, generation 0/m), 'into the child') or return;
    my @rows = rows($json);
    for my $try ([ r => 'reserved', 'reserved_bytes' ], [ u => 'used', 'used_bytes' ], [ p => 'peak', 'peak_bytes' ], [ o => 'pools', 'pools' ],
        [ b => 'buckets', 'bucket_bytes' ], [ t => 'retained', 'retained_bytes' ], [ e => 'requests', 'requests' ]) {
        my ($key, $word, $figure) = @$try;
        my ($first, $second) = sort { $b->{$figure} <=> $a->{$figure} } @rows;
        cmp_ok($first->{$figure}, '>', $second->{$figure}, "one is first by $word");
        $t->keys($key);
        ok($t->shows(qr/sorted by $word/), "$key: by $word") or return;
        is(first_id($t->text), $first->{id}, "connection $first->{id} on top") or diag($t->text);
    }
    $t->keys('c');
    ok($t->shows(qr/sorted by client/), 'c: by client');
    my @ids = $t->text =~ /^ *$child +(\d+) /mg;
    is($ids[-1], $row{slack}{id}, 'that of the other address last') or diag($t->text);
    isnt($ids[0], $row{slack}{id}, 'and not first');
    $_->finish, $_->conn->close for values %more;
    $t->keys('r');
    ok(wait_for(sub { my $text = $t->text; first_id($text) == $id{large} && !grep { $text =~ /^ *\d+ +$row{$_}{id} /m } keys %row }), 'they are gone');
    $t->keys('Left');
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

# What the screen says in words, whatever its width: nothing is cut in the middle.
sub words { return join ' ', split ' ', $_[0] }

subtest 'the sizes that people have' => sub {
    for my $size ([ 80, 24 ], [ 60, 15 ], [ 200, 50 ]) {
        my ($columns, $lines) = @$size;
        $t->resize($columns, $lines);
        my $of = "$columns x $lines";
        $t->shows(qr/^\? help.*\n?\z/m);
        my $text;
        ok(wait_for(sub { words($text = $t->text) =~ /Held \S+ \w+ = In process \S+ \w+ \+ In connections \S+ \w+ \+ In requests \S+ \w+ \+ Buckets \S+ \w+ \+ Retained \S+ \w+ Children \d+/ }),
            "$of: the sums to their end") or diag($text);
        unlike($text, qr/ (?:=|\+|In)$/m, 'no item is torn');
        like($text, qr/^ *$child .* Mi?B.* runs/m, 'the child');
        like((split /\n/, $text)[-1], qr/^\? help  q quit  Enter child/, 'the keys');
        is(join(' ', grep !/^(?:\? help|q quit|Enter child|sort: r u p o b t e a c i|d doctor|space pause|\+ - interval)$/, split /  /, (split /\n/, $text)[-1]), '', 'none in part');
        $t->keys('?');
        my ($all, $pages) = ('', 0);
        while ($pages++ < 9) {
            my $page = $t->shows(qr/^poolstat top\n(?:.*\n)*.*(?:Page $pages of|goes back)/) or last;
            my ($long) = grep length > ($columns < 76 ? $columns : 76), split /\n/, $page;
            is($long, undef, 'a page of help in 76 columns');
            $all .= $page =~ s/^(?:poolstat top|Page.*|Any key.*|q quit)$//gmr;
            last if $page =~ /goes back/;
            $t->keys('n');
        }
        $all = words($all);
        like($all, qr/\Q$_\E/, "help has: $_") for 'sort by reserved, used, peak, pools, buckets, retained', 'look half as often, twice as often',
          'F what is free but retained.', 'empty while it is not known.', 'back to the shell';
        $t->keys('n');
        ok(wait_for(sub { $t->text =~ /^Held /m }), 'and back');
        $t->keys('Enter');
        $text = $t->shows(qr/^Child $child, generation/) or next;
        like(words($text), qr/P In process \S+ \w+ C In connections \S+ \w+ R In requests \S+ \w+ B Buckets \S+ \w+ F Retained \S+ \w+/, 'all parts of the bar');
        $t->keys('Left');
    }
    $t->resize(120, 40);
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

subtest 'at once, however long the interval' => sub {
    for my $pause ('', 'Space') {
        my $end = $pause ? 'C-\\' : 'C-c';
        my $u = PST::Command->terminal(80, 24, 'top', '--pid', $parent, '--interval', 600);
        ok($u->shows(qr/^ *$child .* runs/m), $pause ? 'paused' : 'it waits') or return;
        $u->keys($pause) if $pause;
        $u->resize(60, 15);
        ok($u->shows(qr/^\? help.* a c i\n?\z/m), 'a new size');
        is(scalar(split /\n/, $u->text), 15, 'is used');
        $u->keys($end);
        ok($u->shows(qr/^status=0/m), "$end ends it, and gives the terminal back");
    }
};

subtest 'other terminals' => sub {
    for my $env ({ LC_ALL => 'C' }, { LC_ALL => 'C', TERM => 'vt100' }, { TERM => 'vt100', LC_ALL => 'C.UTF-8' }) {
        my $as = join ' ', map "$_=$env->{$_}", sort keys %$env;
        my $u = PST::Command->terminal(80, 24, $env, 'top', '--pid', $parent, '--interval', '0.2');
        my $text = $u->shows(qr/^ *$child .*runs/m) or return fail($as);
        ok($u->shows($env->{LC_ALL} eq 'C' ? qr/^ *$child .*runs.*[-.:=+#]{3}/m : qr/^ *$child .*runs.*(?:\xe2\x96.|[\x{2581}-\x{2588}]){3}/m), "$as: the chart");
        $env->{LC_ALL} eq 'C' ? unlike($u->text, qr/[^\n\x20-\x7e]/, 'in ASCII') : pass('in blocks');
        $u->keys('Enter');
        ok($u->shows(qr/^Child $child/m), 'keys work');
        $u->keys('q');
        ok($u->shows(qr/^status=0/m), 'and q');
    }
    kill STOP => $child;    # what is wrong is red, if anything may be
    for my $try ([ {}, 1 ], [ { NO_COLOR => 1 }, 0 ], [ { NO_COLOR => '' }, 1 ], [ { TERM => 'vt100' }, 0 ]) {
        my ($env, $red) = @$try;
        my $r = PST::Command->pty(120, 30, $env, 'top', '--pid', $parent, '--count', 1)->end;
        is($r->{status}, 0, 'once, with ' . (join(' ', %$env) || 'colours'));
        like($r->{out}, qr/stopped/, 'it says: stopped');
        my $is = $r->{out} =~ /\e\[[\d;]*31m/ ? 1 : 0;
        is($is, $red, $red ? 'in red' : 'without colours');
    }
    kill CONT => $child;
};

subtest 'Ctrl-Z and fg' => sub {
    my $u = PST::Command->shell(80, 24, 'top', '--pid', $parent, '--interval', '0.2');
    ok($u->shows(qr/^\? help/m), 'from a shell') or return;
    $u->keys('C-z');
    ok($u->shows(qr/Stopped.*\n(?:.*\n)*ready> *$/m), 'the shell is there again') or return;
    $u->resize(100, 20);
    $u->keys('fg', 'Enter');
    ok($u->shows(qr/^Held .*\n(?:.*\n)*\? help .*\n?\z/m), 'and then top, whole') or return;
    is(scalar(split /\n/, $u->text), 20, 'at the new size');
    $u->keys('Enter');
    ok($u->shows(qr/^Child $child/m), 'keys work');
    $u->keys('q');
    ok($u->shows(qr/^ready> *$/m), 'q ends it');
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
    my $u = PST::Command->terminal(50, 20, 'top', '--file', $file, '--interval', '0.1');
    ok($u->shows(qr/q quit/), 'is shown') or return;
    rename $file, "$file.away";
    ok($u->shows(qr/cannot\s+be\s+opened:\s+No\s+such\s+file\s+or\s+directory/),
        'its name is gone, which is told to the end, however long the name');
    ok($u->shows(qr/q quit/), 'and goes on being shown');
    truncate "$file.away", 5000;
    ok($u->shows(qr/^status=5/m), 'when it is cut, too, top ends in order');
    unlike($u->text, qr/Bus error|core dumped/, 'by no signal');
};

subtest 'the doctor' => sub {
    my $s = PST::Server->new('command-doctor', conf => "PoolStatInstrument Off\n");
    ok($s->start, 'a server that is not instrumented') or return;
    my $u = PST::Command->terminal(80, 24, 'top', '--file', $s->board, '--interval', '0.2');
    ok($u->shows(qr/^Findings: 1, the worst: \w+; d tells more/m), 'is told of beside its sums') or return;
    $u->keys('d');
    my $text = $u->shows(qr/^Findings\n.*\n?\w+: not-instrumented/m) or return fail('the finding');
    my $said = poolstat('doctor', '--file', $s->board)->{out};
    tr/ \n/ /s, s/ +$// for $text, $said;
    ok(length $said > 200 && index($text, $said) >= 0, 'in the words of poolstat doctor') or diag("$text\nand\n$said");
    $u->keys('d');
    ok($u->shows(qr/^ *Pid .*Held/m), 'any key goes back');
    is($s->stop, 0, 'it ends');
    $u->keys('q');
    ok($u->shows(qr/^status=0/m), 'so does top');
};

subtest 'of what is well nothing is said' => sub {
    my $s = PST::Server->new('command-well');
    ok($s->start, 'a server') or return;
    my $u = PST::Command->terminal(80, 24, 'top', '--file', $s->board, '--interval', '0.2');
    my $text = $u->shows(qr/^ *Pid .*Held/m);
    unlike($text, qr/Findings/, 'no line for it');
    $u->keys('d');
    ok($u->shows(qr/^No findings.*children\s+examined/m), 'd says so');
    $u->keys('x', 'q');
    ok($u->shows(qr/^status=0/m), 'the end');
};

# Nobody tells it: it is not the session's leader, and the terminal is not its controlling one.
subtest 'the terminal goes' => sub {
    ok($s->start, 'started again') or return;
    for my $try ([ 'while it waits', '--interval', 60 ], [ 'while it is paused', '--interval', 60 ], [ 'while it looks', '--interval', '0.1' ]) {
        my ($when, @args) = @$try;
        my $before = (times)[2] + (times)[3];
        my $u = PST::Command->pty(80, 24, 'top', '--file', $s->board, @args);
        ok($u->shows(qr/\? help/), $when) or next;
        if ($when =~ /paused/) {
            syswrite $u->{master}, ' ';
            ok($u->shows(qr/paused/), 'it is');
        }
        $u->hang_up;
        my $r = $u->end(4);
        is($r->{status}, 0, 'it ends by itself');
        cmp_ok($r->{cpu_of_all} - $before, '<', 0.5, 'and burns no CPU');
    }
};
done_testing;
