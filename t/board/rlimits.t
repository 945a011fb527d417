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

# How little does httpd itself start with? Somewhat above that it starts with the module, too, with a board or without.
sub least {
    my ($option, $low, $high, $works) = @_;
    while ($high - $low > $high / 16 && $high - $low > 1) {
        my $middle = int(($low + $high) / 2);
        if ($works->("$option $middle")) { $high = $middle }
        else                             { $low = $middle }
    }
    return $high;
}

sub works {
    my ($limit, %o) = @_;
    my $works = start_limited($limit, %o) && $s->fetch('/small.txt')->{status} == 200 && !$s->ended;
    $s->stop if !$s->ended;
    return $works && ($s->log_text . $s->start_text) !~ /exit signal|seg fault/;
}

# Descriptors: from what httpd needs on, each number of them.
{
    my $least = least('-n', 8, 64, sub { works($_[0], conf => "PoolStatFile /nonexistent/x\n") });
    note("httpd starts with $least descriptors");
    for my $n ($least + 1 .. $least + 12) {
        ok(works("-n $n"), "$n descriptors (RLIMIT_NOFILE): starts and serves") or diag($s->start_text, $s->log_text);
    }
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
