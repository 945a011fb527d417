# A file system without room for the board: httpd starts and serves, at its start and at a graceful restart, whatever the board's size,
# and nothing half made is left behind.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'mounts a small file system: for root' if $> != 0;
plan skip_all => 'does not depend on the MPM beyond its limits: prefork and event' if mpm() eq 'worker';
my $disk = stage()->{top} . '/t/logs/no-room';
mkdir $disk;
plan skip_all => 'a small file system cannot be mounted here'
  if system("mount -t tmpfs -o size=3m,mode=755 tmpfs '$disk' 2>/dev/null") != 0;
END { system("umount '$disk'") if $disk && -e "$disk/." }

# more than 64 MiB of blocks, and less
my $large = mpm() eq 'prefork'
  ? "ServerLimit 900\nStartServers 2\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 10\n"
  : "ServerLimit 400\nStartServers 1\nThreadsPerChild 10\nMinSpareThreads 1\nMaxSpareThreads 40\nMaxRequestWorkers 20\n"
    . "PoolStatConnections 200\n";

sub left { my %is = map { $_ => 1 } grep !m{/board$}, glob("$disk/*"); return join ' ', sort keys %is }

sub goes_on {
    my ($s, $what) = @_;
    my %status = map { ($_ => $s->fetch($_)->{status}) } '/small.txt', '/pool-status', '/pool-status/json', '/pool-status?auto';
    is_deeply(\%status, { '/small.txt' => 200, map { ($_ => 503) } '/pool-status', '/pool-status/json', '/pool-status?auto' },
        "$what: files are served, the faces say 503");
    is(left(), '', "$what: no file is left behind");
    unlike($s->log_text, qr/exit signal|seg fault/, "$what: nobody died");
}

for my $case ([ 'a large board', 'limits' => $large ], [ 'a small one', 'PoolStatConnections' => 2000 ]) {
    my ($what, $key, $value) = @$case;
    my @conf = $key eq 'limits' ? (limits => $value, conf => "PoolStatFile $disk/board\n")
                                : (conf => "PoolStatFile $disk/board\n$key $value\n");
    my $s = PST::Server->new('room', @conf);
    ok($s->start, "$what: starts on a full file system") or diag($s->start_text, $s->log_text);
    like($s->log_text, qr/PST0002: no board could be made/, "$what: it is told") or diag($s->log_text);
    goes_on($s, $what);
    ok($s->graceful, "$what: a graceful restart");
    ok($s->answers(20), "$what: answers");
    goes_on($s, "$what, once more");
    is($s->stop, 0, "$what: stops");
}

# A healthy server whose board grows at a graceful restart, with no room for it.
my $s = PST::Server->new('room-later', conf => "PoolStatFile $disk/board\nPoolStatHistory Off\nPoolStatConnections 4\n",
    limits => mpm() eq 'prefork' ? "ServerLimit 4\nStartServers 2\nMaxRequestWorkers 4\n"
                                 : "ServerLimit 2\nStartServers 1\nThreadsPerChild 10\nMaxRequestWorkers 20\n");
ok($s->start, 'a server with a small board') or diag($s->start_text, $s->log_text);
is($s->fetch('/pool-status')->{status}, 200, 'it is shown');
$s->write_conf(conf => "PoolStatFile $disk/board\nPoolStatHistory Off\nPoolStatConnections 60000\n",
    limits => mpm() eq 'prefork' ? "ServerLimit 4\nStartServers 2\nMaxRequestWorkers 4\n"
                                 : "ServerLimit 2\nStartServers 1\nThreadsPerChild 10\nMaxRequestWorkers 20\n");
ok($s->graceful, 'a graceful restart to a large one') or diag($s->log_text);
ok($s->answers(20), 'answers');
like($s->log_text, qr/PST0002: no board could be made/, 'it is told');
goes_on($s, 'afterwards');
is($s->stop, 0, 'stops');
unlink "$disk/board";

# Room for the header and a block or two: the others serve, unseen.
is(system("mount -o remount,size=70m '$disk'"), 0, 'there is room for a large board');
$s = PST::Server->new('room-little', limits => $large, conf => "PoolStatFile $disk/board\nPoolStatHistory Off\n");
ok($s->start, 'a server') or diag($s->start_text, $s->log_text);
is($s->fetch('/pool-status')->{status}, 200, 'that is shown');
system("dd if=/dev/zero of='$disk/filler' bs=1M 2>/dev/null");
kill KILL => (grep { my $pid = $_; grep { $_->{pid} == $pid } @{ $s->json->{children} } } $s->child_pids)[0];
ok(wait_for(sub { $s->fetch('/small.txt', timeout => 5)->{status} == 200 }, 20), 'a child ends, the file system is full: another serves');
ok($s->graceful, 'a graceful restart') or diag($s->log_text);
ok($s->answers(20), 'answers');
is($s->fetch('/small.txt')->{status}, 200, 'files are served');
unlike($s->log_text, qr/exit signal (?!Killed)|seg fault/, 'nobody died of it') or diag($s->log_text);
is($s->stop, 0, 'stops');
done_testing;
