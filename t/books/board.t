# The board is nobody's memory: pages over a large board of a few children leave PSS and RSS of the child that serves them as they
# were, and take no block of the file that nobody has.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

# a board of more than 250 MB, of which two children need two blocks
my $limits = mpm() eq 'prefork'
  ? "ServerLimit 1500\nStartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\n"
  : "ServerLimit 200\nStartServers 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\n"
    . "MaxRequestWorkers 10\nPoolStatConnections 1000\n";
my $s = PST::Server->new('books-board', limits => $limits);
ok($s->start, 'a server with a large board') or BAIL_OUT($s->start_text . $s->log_text);
my $board = $s->board;
cmp_ok(-s $board, '>', 200 * 1024 * 1024, 'of ' . int((-s $board) / 1024 / 1024) . ' MiB');

# Before the first look: it is the one that would map pages of blocks that nobody has.
my ($pid) = grep { (eval { PST::Stage::read_file("/proc/$_/maps") } // '') =~ /\Q$board\E/ } $s->child_pids;
ok($pid, 'a child that has it mapped');
my $unseen = kernel();

my $child;
ok(wait_for(sub { my $j = $s->json; ($child) = @{ $j->{children} }; $child && $child->{books_time} && $child->{maps_time} }, 20),
    'a child, with books');
is($child->{pid}, $pid, 'the same');

sub kernel {
    my %is;
    for my $line (split /\n/, PST::Stage::read_file("/proc/$pid/smaps_rollup")) { $is{$1} = $2 if $line =~ /^(\w+):\s+(\d+) kB/ }
    return \%is;
}

sub of_file { return (stat $board)[12] * 512 }

my @faces = qw(/pool-status /pool-status/json /pool-status?auto /pool-status/metrics /pool-status/history /pool-status/profile);
sub look { for my $n (1 .. $_[0]) { $s->fetch($_) for @faces } }

look(5);
my ($before, $file) = (kernel(), of_file());
look(40);
my ($after, $then) = (kernel(), of_file());
note("PSS $unseen->{Pss} before the first look, $before->{Pss} to $after->{Pss} KiB, RSS $before->{Rss} to $after->{Rss} KiB, file $file to $then bytes");
cmp_ok($after->{Pss}, '<', $unseen->{Pss} + 4096, 'PSS is that of a child that nobody looked at, but for its own code and heap');
cmp_ok($after->{Pss}, '<', $before->{Pss} + 1024, 'and stays over 240 looks');
cmp_ok($after->{Rss}, '<', $before->{Rss} + 1024, 'RSS stays');
is($then, $file, 'and the file takes no more of its disk');
cmp_ok($file, '<', 8 * 1024 * 1024, 'which is what its children have of it');

# Less than the kernel says by what is the board's.
my $maps = PST::Stage::read_file("/proc/$pid/smaps");
my ($of_board) = $maps =~ /\Q$board\E.*?\nPss:\s+(\d+) kB/s;
ok(wait_for(sub {
    $child = child_of($s->json, $pid);
    return $child->{board_bytes} && abs($child->{pss_bytes} / 1024 + $of_board - kernel()->{Pss}) < 512;
}, 90), 'PSS on the board is without it') or diag("$child->{pss_bytes} and $of_board KiB, kernel " . kernel()->{Pss});
cmp_ok($child->{board_bytes}, '<=', $child->{shmem_bytes}, 'which is part of shared memory');
is($s->stop, 0, 'stops');
done_testing;
