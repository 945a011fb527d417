# SPDX-License-Identifier: Apache-2.0
#
# The command on a machine that has too little memory for it: it says so and ends with its status, wherever that happens.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';
plan skip_all => 'sanitizers reserve more memory than any limit' if PST::stage()->{san};

my $s = PST::Server->new('command-memory');
ok($s->start, 'a server') or BAIL_OUT($s->log_text);
my @args = ('--file', $s->board);

# With so many KiB of address space: its status, 128 and more for a signal, and the two outputs.
sub with_room {
    my ($room, @words) = @_;
    my $said = qx{sh -c 'ulimit -v $room && exec "\$@"' sh @{[ program() ]} @words 2>&1 >/dev/null};
    return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $said);
}

# The least room in which these words of the command do what they should, to 16 KiB.
sub least_room {
    my (@words) = @_;
    my ($low, $high) = (0, 1024 * 1024);
    while ($high - $low > 16) {
        my $room = int(($low + $high) / 2);
        (with_room($room, @words))[0] == 0 ? $high = $room : $low = $room;
    }
    return $high;
}

for my $face ('json', 'text', 'metrics', 'profile') {
    my $least = least_room($face, @args);
    my (%died, $told);
    for my $step (1 .. 60) {
        my ($status, $said) = with_room($least - 16 * $step, $face, @args);
        $died{ $least - 16 * $step } = $status if $status > 127 && $status != 255;
        $told = 1 if $status == 7 && $said =~ /^poolstat: not enough memory$/m;
    }
    is_deeply(\%died, {}, "poolstat $face: no signal ends it below $least KiB");
    ok($told, 'it says that there is not enough memory, and ends with the status of that');
}

$s->stop;
done_testing;
