# SPDX-License-Identifier: Apache-2.0
#
# Access to the board from outside: figures in the heads of blocks, read and written by the names in the
# board's own descriptors.
#
#   my $board = PST::Board->new($s->board);
#   $board->write('held_bytes', 1 << 40);          # in every block that has an owner
#   my %held = $board->read('held_bytes');         # pid => figure
package PST::Board;
use strict;
use warnings;

sub new {
    my ($class, $file) = @_;
    open my $fh, '+<:raw', $file or die "$file: $!\n";
    my $self = bless { fh => $fh }, $class;
    my @head = unpack 'a8 L10', $self->_at(0, 48);
    die "$file is no board\n" if $head[0] ne 'PSTBOARD';
    @$self{qw(header child count)} = @head[2, 3, 4];
    my ($at, $count) = @head[8, 9];
    for my $i (0 .. $count - 1) {
        my ($name, undef, undef, undef, $where, undef, $offset) = unpack 'Z40 Z56 C4 L', $self->_at($at + 104 * $i, 104);
        $self->{offset}{$name} //= $offset if $where == 0;
    }
    return $self;
}

sub _at {
    my ($self, $at, $bytes) = @_;
    sysseek $self->{fh}, $at, 0 or die "seek: $!\n";
    sysread($self->{fh}, my $text, $bytes) == $bytes or die "the board is short\n";
    return $text;
}

# where each block in use begins, by pid
sub blocks {
    my ($self) = @_;
    my @starts = map { $self->{header} + $_ * $self->{child} } 0 .. $self->{count} - 1;
    return map { my ($owner) = unpack 'L', $self->_at($_, 4); $owner ? ($owner => $_) : () } @starts;
}

sub _offset {
    my ($self, $name) = @_;
    return $self->{offset}{$name} // die "no figure $name in the head of a block\n";
}

sub read {
    my ($self, $name) = @_;
    my %blocks = $self->blocks;
    return map { $_ => unpack 'Q', $self->_at($blocks{$_} + $self->_offset($name), 8) } keys %blocks;
}

sub write {
    my ($self, $name, $value) = @_;
    my %blocks = $self->blocks;
    for my $at (values %blocks) {
        sysseek $self->{fh}, $at + $self->_offset($name), 0;
        syswrite $self->{fh}, pack 'Q', $value;
    }
    return scalar keys %blocks;
}

1;
