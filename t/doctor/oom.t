# A real kill by the kernel's OOM killer: a server in a cgroup of its own with a memory limit, a request that wants more. The finding says who
# killed the child. One that somebody else kills there with as much is not taken for it.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'makes a cgroup: for root' if $> != 0;
plan skip_all => 'once is enough: the kernel kills processes, whatever the MPM' unless stage()->{first};
plan skip_all => 'the sanitizer has a heap of its own' if stage()->{san};

my $MIB = 1 << 20;

# Version 1, or 2. @return its folder, undef: this machine does not let us
sub make_cgroup {
    for my $top (['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'],
        ['/sys/fs/cgroup', 'memory.max', 'memory.swap.max']) {
        my ($at, $limit, $swap) = @$top;
        my $made = "$at/poolstat-test-$$";
        next unless -e "$at/cgroup.procs" && mkdir $made;
        return $made if -e "$made/$limit" && put("$made/$limit", 400 * $MIB)
          && (!-e "$made/$swap" || put("$made/$swap", $limit eq 'memory.max' ? 0 : 400 * $MIB));
        rmdir $made;
    }
    return undef;
}

sub put {
    my ($file, $text) = @_;
    open my $f, '>', $file or return 0;
    print $f $text;
    return close $f;
}

my $cgroup = make_cgroup();
plan skip_all => 'no cgroup with a memory limit can be made here' unless $cgroup;
END { wait_for(sub { rmdir $cgroup }, 10) if $cgroup }

my $s = PST::Server->new('oom', cores => 0, wrap => ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', $cgroup]);
$s->start or BAIL_OUT($s->start_text . $s->log_text);
END { my $status = $?; $s->stop if $s; $? = $status }

sub lost { my ($pid) = @_; return (grep { $_->{pid} == $pid } @{ $s->json->{losses} // [] })[0] }

sub finding_of {
    my ($pid) = @_;
    return (grep { $_->{id} eq 'child-lost' && $_->{what} =~ /process $pid,/ } @{ $s->json->{findings} })[0];
}

# as large as the other, but killed by us
my $held = PST::Probe->start('pool=request&bytes=200000000&chunk=1000000', port => $s->port, ask => $s->port);
$held->arrived('hold', 30);
my ($row, $loss);
ok(wait_for(sub { $row = row_of($s->json, $held->name) }, 20), 'a request with 200 MB') or done_testing, exit;
kill KILL => $row->{pid};
ok(wait_for(sub { $loss = eval { lost($row->{pid}) } }, 30), 'its child is killed by hand') or done_testing, exit;
ok(defined $loss->{oom_killed} && !$loss->{oom_killed}, 'and that is known');
$held->conn->close;

my $more = PST::Probe->start('pool=request&pieces=900&bytes=1000000&touch=1&pace_us=5000', port => $s->port, ask => $s->port);
my $oom;
ok(wait_for(sub { ($oom) = grep { $_->{pid} != $row->{pid} } @{ (eval { $s->json } // {})->{losses} // [] }; $oom }, 60),
    'a request that wants more than the limit loses its child') or diag($s->log_text);
$more->conn->close;
if ($oom) {
    ok($oom->{oom_killed}, 'it was the OOM killer') or diag(explain($oom));
    is($oom->{signal_name}, 'SIGKILL', 'by SIGKILL');
    is($oom->{largest_part}, 'requests', 'most of it in requests');
    is($oom->{blamed}, 'mod_poolprobe.so', 'whose memory it was') or diag(explain($oom));
    my $f = finding_of($oom->{pid});
    is($f && $f->{severity}, 'critical', 'a critical finding');
    like($f && "$f->{what} $f->{evidence}", qr/by SIGKILL of the kernel's OOM killer.*cgroup/s, 'which says so');
    unlike((finding_of($row->{pid}) // {})->{what} // 'none', qr/OOM/, 'that of the other does not');
    is($s->json->{server}{children_lost_oom}, 1, 'counted');
}
is($s->stop, 0, 'stops in order');
undef $s;
done_testing;
