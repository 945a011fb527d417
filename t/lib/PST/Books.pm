# SPDX-License-Identifier: Apache-2.0
#
# The books of a child, for tests: the law that holds in every snapshot, and what the
# kernel says when it is asked from outside.
package PST::Books;
use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(explained law rollup);

# What explains a child's memory, without what is unexplained.
sub explained {
    my ($c) = @_;
    my $sum = 0;
    $sum += $c->{$_} for qw(held_bytes heap_in_use_bytes heap_free_bytes file_bytes shmem_bytes stack_bytes data_bytes other_bytes);
    return $sum;
}

# RSS + swap + not resident = explained + unexplained, in whole bytes: what is wrong, or nothing.
sub law {
    my ($json) = @_;
    my @wrong;
    for my $c (@{ $json->{children} }) {
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

1;
