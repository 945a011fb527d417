# Where its output goes, and files that are no board though they seem large: a reader that has enough is no error, a full
# disk is, and both are told apart.
use strict;
use warnings;
use POSIX ();
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';

my $s = PST::Server->new('command-output');
ok($s->start, 'a server') or BAIL_OUT($s->log_text);
my $file = $s->board;

# The command with a stdout that somebody else prepared: its status and what it said.
sub with_stdout {
    my ($out, @args) = @_;
    pipe my $err_in, my $err_out or die;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        $SIG{PIPE} = 'DEFAULT';
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err_out;
        close $_ for $err_in, $out;
        exec program(), @args or POSIX::_exit(127);
    }
    close $_ for $err_out, $out;
    local $/;
    my $err = <$err_in> // '';
    waitpid $pid, 0;
    return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $err);
}

subtest 'a reader that goes away' => sub {
    for my $args ([], ['json'], ['text'], ['metrics'], ['history'], ['watch', '--interval', '0.1'], ['tree', $s->json->{children}[0]{pid}]) {
        pipe my $in, my $out or die;
        close $in;
        my ($status, $err) = with_stdout($out, @$args, ($args->[0] // '') eq 'tree' ? () : ('--file', $file));
        SKIP: {
            skip "other users' processes cannot be read here", 2 if $err =~ /may (?:not )?be read,? (?:not even )?by root/;
            is($status, 0, "poolstat @$args: no error");
            is($err, '', 'and nothing to say');
        }
    }
    my $status = system('bash', '-c', 'set -o pipefail; "$0" json --file "$1" | head -c 1 > /dev/null', program(), $file);
    is($status, 0, 'poolstat json | head, under pipefail');
};

subtest 'an output that is full' => sub {
    for my $args ([], ['json']) {
        open my $full, '>', '/dev/full' or die;
        my ($status, $err) = with_stdout($full, @$args, '--file', $file);
        is($status, 7, "poolstat @$args: the output failed");
        like($err, qr/^poolstat: what was to be printed could not be written/m, 'and why');
    }
};

subtest 'files that are no board' => sub {
    my $huge = "$s->{dir}/huge";
    open my $out, '>', $huge or die;
    truncate $out, 70 << 30 or plan skip_all => 'no sparse files here';
    close $out;
    my $r = poolstat('--file', $huge);
    is($r->{status}, 5, '70 GiB of nothing');
    cmp_ok($r->{took}, '<', 5, 'at once');
    unlink $huge;
};

subtest 'a process that keeps to itself' => sub {
    plan skip_all => 'for root' if $>;
    my $r = poolstat('--pid', 1);
    is($r->{status}, 3, 'no server of ours');
    unlike($r->{err}, qr/run as root/, 'root is not told to be root');
};
is($s->stop, 0, 'it stops');
done_testing;
