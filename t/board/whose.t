# Whose the board is. Nobody but httpd's children has it, and those without a descriptor; a file that takes its place is noticed, and
# a second server leaves it to the first.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

# "mapped", "open": what a process has of files whose names begin with this one's
sub has {
    my ($pid, $path) = @_;
    my %has;
    local $_;
    open my $maps, '<', "/proc/$pid/maps" or return 'gone';
    while (<$maps>) { $has{mapped} = 1 if m{ \Q$path\E} }
    for my $fd (glob "/proc/$pid/fd/*") {
        my $to = readlink $fd;
        $has{open} = 1 if defined $to && index($to, $path) == 0;
    }
    return join ' and ', sort keys %has;
}

my $s = PST::Server->new('whose', conf => qq(CustomLog "|/bin/cat" "%h"\n));
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my ($board, $json) = $s->board;
ok(wait_for(sub { $json = $s->json; @{ $json->{children} } >= 2 }, 10), 'its children are shown');

subtest 'who has it' => sub {
    is(has($s->pid, $board), 'mapped', 'the parent has it mapped, and not open');
    my %is_child = map { $_->{pid} => 1 } @{ $json->{children} };
    for my $child (sort keys %is_child) {       # until its first request it has it open
        wait_for(sub { has($child, $board) eq 'mapped' });
        is(has($child, $board), 'mapped', "so has child $child");
    }
    # a child that began meanwhile is none of the others
    my @others;
    wait_for(sub {
        my @pids = $s->child_pids;
        %is_child = (%is_child, map { $_->{pid} => 1 } @{ $s->json->{children} });
        @others = grep !$is_child{$_}, @pids;
        return !grep { has($_, $board) ne '' } @others;
    });
    cmp_ok(scalar @others, '>=', 1, 'the parent has other children: loggers, daemons');
    is(has($_, $board), '', "process $_ has nothing of it: " . PST::Stage::read_file("/proc/$_/comm") =~ s/\n//r) for @others;
    if (mpm() eq 'event') {
        # mod_cgid's: forked as a child is, and dropping its rights by the same hook
        my $daemon = sub {
            return (grep { !$is_child{$_} && PST::Stage::read_file("/proc/$_/cmdline") =~ /apache2|httpd/ } $s->child_pids)[0];
        };
        my $first = $daemon->();
        ok($first, 'mod_cgid has a daemon');
        kill TERM => $first;
        my $second;
        ok(wait_for(sub { $second = $daemon->(); $second && $second != $first }, 20), 'which is started anew while httpd runs');
        is(has($second, $board), '', 'and has nothing of it either');
    }
};

sub said { return scalar(() = $_[0]->log_text =~ /$_[1]/g) }

subtest 'another server in the same place' => sub {
    my $b = PST::Server->new('whose-second');
    my $conf = PST::Stage::read_file($b->conf);
    $conf =~ s/^DefaultRuntimeDir.*/DefaultRuntimeDir "$s->{dir}\/run"/m or die;
    $conf =~ s/^ScriptSock.*/ScriptSock $b->{dir}\/run\/cgisock/m;
    PST::Stage::write_file($b->conf, $conf);
    my @before = stat $board;
    ok($b->start, 'starts') or diag($b->start_text, $b->log_text);
    is($b->fetch('/small.txt')->{status}, 200, 'serves');
    is($b->fetch('/pool-status')->{status}, 503, 'has no board');
    my ($pid) = $s->pid;
    like($b->log_text, qr/PST0026: \Q$board\E is the board of the httpd with the process id $pid, which runs/, 'and says whose it is');
    my @after = stat $board;
    is("@after[0,1]", "@before[0,1]", 'the file is the same');
    ok($b->graceful, 'a graceful restart of the second');
    is($b->fetch('/pool-status')->{status}, 503, 'has none still');
    ok($s->graceful, 'a graceful restart of the first');
    ok(wait_for(sub { my $j = eval { $s->json }; $j && @{ $j->{children} } }, 10), 'is shown as before');
    is(said($s, 'PST0001'), 0, 'on its own board');
    is($s->stop, 0, 'the first stops');
    ok($b->graceful, 'then the second');
    ok(wait_for(sub { $b->fetch('/pool-status')->{status} == 200 }, 10), 'makes a board') or diag($b->log_text);
    is($b->stop, 0, 'and stops');
};

my %moved = (
    'removed'  => sub { unlink $_[0] },
    'renamed'  => sub { rename $_[0], "$_[0].away" },
    'replaced by a copy' => sub { PST::Stage::write_file("$_[0].copy", PST::Stage::read_file($_[0])); rename "$_[0].copy", $_[0] },
    'replaced by a link to it' => sub { rename $_[0], "$_[0].away"; symlink "$_[0].away", $_[0] },
);
for my $how (sort keys %moved) {
    subtest $how => sub {
        my $m = PST::Server->new('whose-moved');
        ok($m->start, 'a server') or return diag($m->start_text, $m->log_text);
        ok(wait_for(sub { @{ $m->json->{children} } >= 2 }, 10), 'is shown');
        my @there = map { $_->{pid} } @{ $m->json->{children} };
        $moved{$how}->($m->board);
        ok(wait_for(sub { said($m, 'PST0024') }, 40), "the board was $how: that is told") or diag($m->log_text);
        is($m->fetch('/pool-status')->{status}, 200, 'who is on it is shown');
        kill KILL => $there[0];
        ok(wait_for(sub { !grep { $_ == $there[0] } $m->child_pids }, 20), 'a child ends');
        ok(wait_for(sub { $m->fetch('/small.txt')->{status} == 200 }, 20), 'httpd serves');
        is(said($m, 'PST0024'), 1, 'it was told once');
        ok($m->graceful, 'a graceful restart');
        ok($m->answers(20), 'answers');
        is(said($m, 'PST0001: the board is made anew'), 1, 'makes it anew');
        ok(wait_for(sub { my $j = eval { $m->json }; $j && @{ $j->{children} } }, 10), 'and all are shown');
        ok(-f $m->board && !-l $m->board, 'in a file of its own');
        is($m->stop, 0, 'stops');
        unlike($m->log_text, qr/exit signal (?!Killed)|seg fault/, 'nobody died of it');
        unlink glob $m->board . '.*';
    };
}
done_testing;
