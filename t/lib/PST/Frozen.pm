# SPDX-License-Identifier: Apache-2.0
#
# A board on which nothing changes any longer, although httpd still answers: for comparing its faces.
#
# A child that answers changes its own figures. So all children are stopped, all free blocks of the board are
# given to one of them, and the server is restarted gracefully: the children that then answer find no block,
# and are not on the board. The server should have room for twice its children, and start all of them at once.
#
#   my $s = PST::Server->new(...); $s->start; traffic...
#   my $frozen = PST::Frozen->new($s);      # or nothing
#   $s->fetch('/pool-status');              # as often as needed
#   $frozen->thaw;
package PST::Frozen;
use strict;
use warnings;
use PST ();
use PST::Stage;
use Time::HiRes qw(time);

# Where things are in a board: see pst_shared_header_t and pst_shared_child_t.
sub _geometry {
    my ($file) = @_;
    my ($magic, undef, $header, $child, $count) = unpack 'a8 L4', substr PST::Stage::read_file($file), 0, 64;
    return $magic eq 'PSTBOARD' ? ($header, $child, $count) : ();
}

# How many blocks a board has.
sub blocks { my (undef, undef, $count) = _geometry(@_); return $count }

# Every block without an owner becomes $pid's, and is not ready: nobody can claim it, and nobody shows it.
sub _fill {
    my ($file, $pid) = @_;
    my ($header, $child, $count) = _geometry($file) or return 0;
    my $filled = 0;
    open my $board, '+<:raw', $file or return 0;
    for my $i (0 .. $count - 1) {
        sysseek $board, $header + $i * $child, 0;
        sysread $board, my $owner, 4;
        next if unpack 'L', $owner;
        sysseek $board, $header + $i * $child + 12, 0;
        syswrite $board, pack 'L', 0;
        sysseek $board, $header + $i * $child, 0;
        syswrite $board, pack 'L', $pid;
        $filled++;
    }
    close $board;
    return $filled;
}

# What may still change: only times, ages and what follows from them; and other processes, which the parent
# looks at every ten seconds in any case. When it looked at segments is a time, too.
sub _still {
    my ($thing) = @_;
    return join ',', map { "$_:" . _still($thing->{$_}) } grep !/^(?:age_seconds|time|release_nonce|segments_time|relatives(?:_\w+)?)$/, sort keys %$thing if ref $thing eq 'HASH';
    return ref $thing eq 'ARRAY' ? join ',', map _still($_), @$thing : $thing // 'null';
}

sub new {
    my ($class, $s) = @_;
    my @pids = map $_->{pid}, @{ $s->json->{children} };
    my $self = bless { server => $s, pids => \@pids }, $class;
    PST::Server::freeze($_) for @pids;
    _fill($s->board, $pids[0]) && $s->graceful or return;
    # those that start now are counted, each as it finds no block; httpd looks for more to start once a second
    my ($last, $since) = ('', 0);
    PST::wait_for(sub {
        my $now = _still(eval { $s->json(timeout => 5) } // return 0);
        $since = time if $now ne $last;
        $last  = $now;
        return time - $since > 1.5;
    }, 30) or return;
    $self->{was} = $last;
    return $self;
}

# Did nothing change since? What did is in `moved`.
sub held {
    my ($self) = @_;
    my ($was, $now) = ($self->{was}, _still($self->{server}->json));
    my $same = 0;
    $same++ while $same < length $was && substr($was, $same, 1) eq substr $now, $same, 1;
    my $from = $same > 150 ? $same - 150 : 0;
    $self->{moved} = $now eq $was ? '' : join "\n", map substr($_, $from, 300), $was, $now;
    return $now eq $was;
}

sub thaw { my ($self) = @_; PST::Server::thaw(@{ $self->{pids} }) }

1;
