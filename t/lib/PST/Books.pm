# SPDX-License-Identifier: Apache-2.0
#
# The books of a child, for tests: the law that holds in every snapshot, and what the kernel says when asked
# from outside.
package PST::Books;
use strict;
use warnings;
no warnings qw(portable);    # addresses have more than 32 bits
use Exporter 'import';

our @EXPORT = qw(explained law rollup stacks_of);

# What explains a child's memory, without the unexplained part.
sub explained {
    my ($c) = @_;
    my $sum = 0;
    $sum += $c->{$_} // 0 for qw(held_bytes heap_in_use_bytes heap_free_bytes file_bytes shmem_bytes stack_bytes data_bytes other_bytes);
    return $sum;
}

# RSS + swap + not resident = explained + unexplained, in whole bytes, and parts of RSS are no larger than it: what is wrong, or
# nothing.
sub law {
    my ($json) = @_;
    my @wrong;
    for my $c (@{ $json->{children} }) {
        push @wrong, "child $c->{pid}: PSS $c->{pss_bytes}, private dirty $c->{private_dirty_bytes} of RSS $c->{rss_bytes}"
          if $c->{pss_bytes} > $c->{rss_bytes} || $c->{private_dirty_bytes} > $c->{rss_bytes};
        next unless $c->{books_time} && $c->{maps_time};
        my ($left, $right) = ($c->{rss_bytes} + $c->{swap_bytes} + $c->{not_resident_bytes}, explained($c) + $c->{unexplained_bytes});
        push @wrong, "child $c->{pid}: $left is not $right" if $left != $right;
        push @wrong, "child $c->{pid}: unexplained and not resident at once" if $c->{unexplained_bytes} && $c->{not_resident_bytes};
    }
    return @wrong;
}

# A process's smaps_rollup, in bytes.
sub rollup {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/smaps_rollup" or return;
    my %sum;
    while (<$in>) { $sum{$1} = $2 * 1024 if /^(\w+):\s+(\d+) kB/ }
    return \%sum;
}

# The bytes of pages between two addresses that exist: resident or swapped. Needs root.
sub _there {
    my ($pid, $from, $to) = @_;
    open my $in, '<:raw', "/proc/$pid/pagemap" or return 0;
    seek $in, $from / 4096 * 8, 0;
    read $in, my $entries, ($to - $from) / 4096 * 8;
    return 4096 * grep { $_ >> 62 } unpack 'Q*', $entries // '';
}

# An address on the stack of the child's own thread, while it sleeps; 0 if it does not.
sub _watchdogs_stack {
    my ($pid) = @_;
    for my $task (glob "/proc/$pid/task/*") {
        next unless (eval { PST::Stage::read_file("$task/comm") } // '') eq "poolstat\n";
        my @words = split ' ', eval { PST::Stage::read_file("$task/syscall") } // '';
        return @words > 2 ? hex $words[-2] : 0;
    }
    return 0;
}

# The stacks of a process, from its mappings and pagemap: (bytes that exist, how many, how many have something
# else above them in the same mapping). Threads' stacks have `usual` bytes, the watchdog's a quarter of a megabyte.
sub stacks_of {
    my ($pid, $usual) = @_;
    my ($guard, $bytes, $count, $merged, $arena) = (0, 0, 0, 0, 64 << 20);
    my ($below, $top) = (0, 0);    # the previous writable mapping
    my $own = _watchdogs_stack($pid) or return;
    open my $in, '<', "/proc/$pid/maps" or return;
    while (<$in>) {
        my ($from, $to, $perms, $name) = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)/ or next;
        ($from, $to) = (hex $from, hex $to);
        if ($name eq '[stack]' || ($name eq '' && $guard == $from && $perms eq 'rw-p')) {
            my $end = $from + ($own >= $from && $own < $to ? 256 * 1024 : $usual);
            $end = $to if $name || $end > $to;
            $bytes += _there($pid, $from, $end);
            $count++;
            $merged += $end < $to;
        }
        # a guard, alone or right above an arena's reserve, which ends on a multiple of 64 MB; not such a reserve
        my $edge = int(($to - 1) / $arena) * $arena;
        $guard = $perms eq '---p' && $name eq '' && $to - ($from > $edge ? $from : $edge) <= 1 << 20
          && !($to % $arena == 0 && $top == $from && $to - $below >= $arena) ? $to : 0;
        ($below, $top) = $perms =~ /w/ ? ($from, $to) : (0, 0);
    }
    return ($bytes, $count, $merged);
}

1;
