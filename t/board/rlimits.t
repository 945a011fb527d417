# Limits on the process that httpd is started with: whatever the module cannot have then, httpd starts and serves.
use strict;
use warnings;
use PST;
use POSIX ();
use PST::Server;
use Test::More;

my @wanted = (
    # bash's ulimit, what is left to the module
    [ '-f 64',      503, 'files of 64 KiB at most (RLIMIT_FSIZE): less than the board' ],
    [ '-l 0',       200, 'no memory may be locked (RLIMIT_MEMLOCK)' ],
    [ '-l 64',      200, '64 KiB of memory may be locked' ],
);
my $s = PST::Server->new('rlimits');
my $httpd = $s->{stage}{httpd};
my $wrapper = "$s->{dir}/limited";

sub start_limited {
    my ($limit, %o) = @_;
    $s->write_conf(%o);
    PST::Stage::write_file($s->conf, PST::Stage::read_file($s->conf) =~ s/^LoadModule poolstat_module.*\n//mr) if $o{without};
    PST::Stage::write_file($wrapper, "#!/bin/bash\nulimit $limit || exit 9\nexec '$httpd' \"\$@\"\n");
    chmod 0755, $wrapper;
    $s->{stage}{httpd} = $wrapper;
    unlink "$s->{dir}/error_log";
    my $started = $s->start;
    $s->{stage}{httpd} = $httpd;
    return $started;
}

for my $case (@wanted) {
    my ($limit, $status, $what) = @$case;
    ok(start_limited($limit), "$what: starts") or diag($s->start_text, $s->log_text);
    is($s->fetch('/small.txt')->{status}, 200, "$what: serves");
    is($s->fetch('/pool-status')->{status}, $status, "$what: the page says $status");
    ok(!glob("$s->{dir}/run/*.new"), "$what: nothing half made is left");
    ok(!$s->ended, "$what: it lives");
    $s->stop;
    unlike($s->log_text . $s->start_text, qr/exit signal|seg fault/, "$what: nobody died");
    unlink glob "$s->{dir}/run/*.board";
}

# Run a command as the user of that process: limits are set by their owner. @return its status
sub as_child {
    my ($pid, @command) = @_;
    my ($user, $group) = (stat "/proc/$pid")[4, 5];
    defined(my $helper = fork) or die "fork: $!\n";
    if (!$helper) {
        if ($> == 0) { $( = $group; $) = "$group $group"; $< = $> = $user }
        exec @command or POSIX::_exit(127);
    }
    waitpid $helper, 0;
    return $?;
}

# A child that may not write to any file serves all faces: the board is written to as memory, and nothing else is written.
SKIP: {
    skip 'no prlimit', 13 if lacks('prlimit');
    $s->write_conf(limits => mpm() eq 'prefork'
          ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nMaxRequestWorkers 1\n"
          : "StartServers 1\nServerLimit 1\nThreadsPerChild 5\nMinSpareThreads 1\nMaxSpareThreads 5\nMaxRequestWorkers 5\n");
    unlink "$s->{dir}/error_log";
    ok($s->start, 'a server of one child') or diag($s->start_text, $s->log_text);
    my $child;
    wait_for(sub { ($child) = @{ $s->json->{children} } });
    is(as_child($child->{pid}, 'prlimit', '--pid', $child->{pid}, '--fsize=0:'), 0, 'that may write to no file from now on (RLIMIT_FSIZE 0)');
    for my $face (qw(/small.txt /pool-status /pool-status?auto /pool-status/json /pool-status/metrics /pool-status/history /pool-status/profile)) {
        is($s->fetch($face)->{status}, 200, "$face is served");
    }
    is($s->fetch('/poolprobe?pool=request&bytes=3000000&output=2')->{status}, 200, 'a request whose pool grows');
    my $counted = child_of($s->json, $child->{pid});
    ok($counted, 'by the same child');
    cmp_ok($counted->{requests_finished}, '>=', 8, 'which is on the board, and counts');
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/exit signal/, 'nobody died');
}

# Each connection of the server is closed there, and its descriptor is free: then what a request needs is always the same.
sub quiet {
    my ($server) = @_;
    my $local = sprintf '0100007F:%04X', $server->{port};
    return wait_for(sub {
        return !grep { my @f = split; @f > 9 && $f[1] eq $local && $f[3] ne '0A' && $f[9] ne '0' }
          split /\n/, PST::Stage::read_file('/proc/net/tcp');
    }, 20);
}

# The highest number of a descriptor that some of these processes have.
sub highest_of {
    my ($most) = sort { $b <=> $a } map { m{/(\d+)$} } map glob("/proc/$_/fd/*"), @_;
    return $most;
}

# Descriptors of a child are few for a moment, then many again: it serves, what the kernel would have to be asked for gets older,
# what is counted is counted.
SKIP: {
    skip 'no prlimit', 16 if lacks('prlimit');
    unlink "$s->{dir}/error_log";
    ok($s->start, 'a server of one child, again') or diag($s->start_text, $s->log_text);
    my ($child, $now);
    ok(wait_for(sub { ($child) = @{ $s->json->{children} }; $child && $child->{rss_bytes} }, 20), 'its memory is known');
    quiet($s);
    my $few = highest_of($child->{pid}) + 1 + 4;    # a connection and a file; the page and the probe need no more
    is(as_child($child->{pid}, 'prlimit', '--pid', $child->{pid}, "--nofile=$few:"), 0, 'few descriptors are left');
    for my $face (qw(/pool-status /pool-status?auto /pool-status/json /pool-status/metrics /pool-status/history /pool-status/profile)) {
        ok(quiet($s), 'nobody is connected');
        is($s->fetch($face)->{status}, 200, "$face is served");
    }
    is(scalar(grep { quiet($s) && $s->fetch('/small.txt')->{status} != 200 } 1 .. 50), 0, 'files are');
    is($s->fetch('/poolprobe?pool=child&bytes=1000000&pieces=30&touch=1')->{status}, 200, 'the process grows by 30 MB');
    quiet($s);
    cmp_ok(($now = child_of($s->json, $child->{pid}))->{held_bytes}, '>=', $child->{held_bytes} + 30_000_000, 'that is counted');
    is($now->{level}, 'full', 'at the same level');
    is(as_child($child->{pid}, 'prlimit', '--pid', $child->{pid}, '--nofile=512:'), 0, 'many are left again');
    ok(wait_for(sub { ($now = child_of($s->json, $child->{pid}))->{rss_bytes} >= $child->{rss_bytes} + 30_000_000 }, 60),
        'and the kernel is asked again') or diag(explain($now->{rss_bytes}));
    is($s->stop, 0, 'stops');
    unlike($s->log_text, qr/Too many open files/, 'nobody lacked one');
}

sub works {
    my ($limit, %o) = @_;
    my $works = start_limited($limit, %o) && quiet($s) && $s->fetch('/small.txt')->{status} == 200 && !$s->ended;
    $s->stop if !$s->ended;
    return $works && ($s->log_text . $s->start_text) !~ /exit signal|seg fault/;
}

# Descriptors: a child of httpd has some for as long as it lives. A request then takes two, the connection and a file, and the first
# thread that ends takes one for a moment, for glibc loads libgcc_s then: that may be while the first request is served. The module
# adds none to them: with as many httpd starts and serves, and with each number above.
{
    my %has;
    for my $without (1, 0) {
        ok(start_limited('-n 512', without => $without), 'how many does httpd have ' . ($without ? 'without the module?' : 'with it?'));
        quiet($s);
        $has{$without} = highest_of($s->child_pids) + 1;
        is($s->stop, 0, "$has{$without} descriptors");
    }
    is($has{0}, $has{1}, 'as many with the module as without');
    my $least = $has{1} + 3;
    for my $n ($least .. $least + 12) {
        ok(works("-n $n"), "$n descriptors (RLIMIT_NOFILE): starts and serves") or diag($s->start_text, $s->log_text);
    }
    # as a child starts nobody is beside us: its calls are redirected all the same
    ok(start_limited("-n $least"), "$least descriptors: starts") or diag($s->start_text, $s->log_text);
    ok(wait_for(sub { quiet($s); my $j = eval { $s->json }; $j && @{ $j->{children} } && !grep { $_->{level} ne 'full' } @{ $j->{children} } }, 20),
        'all is counted') or diag($s->log_text);
    is($s->stop, 0, 'stops');
}

# Address space: a board that does not fit beside what httpd needs is none. With one arena what it needs is the same each time.
$ENV{MALLOC_ARENA_MAX} = 1;
{
    ok(start_limited('-v unlimited', conf => "PoolStatFile /nonexistent/x\n"), 'how much does it take without a board?');
    my ($needs) = sort { $b <=> $a } map { PST::Stage::read_file("/proc/$_/status") =~ /^VmPeak:\s+(\d+) kB/m ? $1 : 0 }
      $s->pid, $s->child_pids;
    is($s->stop, 0, "$needs KiB");
    for my $conf ('', "PoolStatConnections 5000\n", "PoolStatConnections 50000\n") {
        my $limit = int($needs * 1.3);
        my $what = $limit . ' KiB of address space (RLIMIT_AS)' . ($conf ? ", $conf" : '');
        chomp $what;
        ok(works("-v $limit", conf => $conf), "$what: starts and serves") or diag($s->start_text, $s->log_text);
    }
}
done_testing;
