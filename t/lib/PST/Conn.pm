# SPDX-License-Identifier: Apache-2.0
#
# One HTTP/1.x connection, under the test's control byte by byte.
package PST::Conn;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

sub new {
    my ($class, $port, $from) = @_;    # from: another address of this machine
    local $SIG{PIPE} = 'IGNORE';
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp', Timeout => 10,
        $from ? (LocalAddr => $from) : ()) or return;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    binmode $sock;
    return bless { sock => $sock, buffer => '', open => 1 }, $class;
}

sub send {
    my ($self, $text) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $text) {
        my $n = syswrite $self->{sock}, $text;
        return 0 unless $n;
        substr($text, 0, $n) = '';
    }
    return 1;
}

sub get {
    my ($self, $path, %o) = @_;
    return $self->send(join '', "GET $path HTTP/1.1\r\n", 'Host: ', $o{host} // 'main.example', "\r\n",
        map("$_\r\n", @{ $o{headers} // [] }), "\r\n");
}

# Read more bytes into the buffer. False at the end of the stream or on timeout.
sub _more {
    my ($self, $until) = @_;
    my $left = $until - time;
    return 0 if $left <= 0 || !IO::Select->new($self->{sock})->can_read($left);
    my $n = sysread $self->{sock}, $self->{buffer}, 65536, length $self->{buffer};
    $self->{open} = 0 unless $n;
    return $n;
}

# One response: { status, headers (lower case), body, raw_head, complete }. Status 0: no response.
sub response {
    my ($self, %o) = @_;
    my $until = time + ($o{timeout} // 40);
    my %r = (status => 0, headers => {}, body => '', complete => 0, raw_head => '');
    {
        while ($self->{buffer} !~ /\r\n\r\n/) { $self->_more($until) or return \%r }
        $self->{buffer} =~ s/^(.*?\r\n)\r\n//s;
        my $head = $1;
        $r{raw_head} = $head;
        ($r{status}) = $head =~ m{^HTTP/\S+ (\d+)};
        redo if $r{status} == 100;
        $r{headers} = {};
        while ($head =~ /^([^:\r\n]+):[ \t]*(.*?)\r$/mg) { push @{ $r{headers}{ lc $1 } }, $2 }
        $r{headers}{$_} = join ', ', @{ $r{headers}{$_} } for keys %{ $r{headers} };
    }
    my $h = $r{headers};
    if ($o{head} || $r{status} == 304 || $r{status} == 204) {
        $r{complete} = 1;
    }
    elsif (($h->{'transfer-encoding'} // '') =~ /chunked/) {
        CHUNK: while (1) {
            while ($self->{buffer} !~ /\r\n/) { $self->_more($until) or return \%r }
            $self->{buffer} =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n// or return \%r;
            my $size = hex $1;
            while (length $self->{buffer} < $size + 2) { $self->_more($until) or return \%r }
            $r{body} .= substr $self->{buffer}, 0, $size, '';
            substr($self->{buffer}, 0, 2) = '';
            last CHUNK if !$size;
        }
        $r{complete} = 1;
    }
    elsif (defined $h->{'content-length'}) {
        while (length $self->{buffer} < $h->{'content-length'}) { $self->_more($until) or last }
        $r{complete} = length $self->{buffer} >= $h->{'content-length'};
        $r{body} = substr $self->{buffer}, 0, $h->{'content-length'}, '';
    }
    else {
        1 while $self->_more($until);
        $r{complete} = !$self->{open};
        $r{body} = $self->{buffer};
        $self->{buffer} = '';
    }
    return \%r;
}

# Has the other side closed it? Waits at most that long.
sub closed {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while ($self->{open}) { $self->_more($until) or last }
    return !$self->{open};
}

# Some of what arrived, without waiting for a whole response.
sub some {
    my ($self, $bytes, $seconds) = @_;
    my $until = time + ($seconds // 10);
    while (length $self->{buffer} < $bytes) { $self->_more($until) or last }
    return $self->{buffer};
}

sub close { my ($self) = @_; close $self->{sock}; $self->{open} = 0 }

# Leave like a crashed client: by a reset.
sub abort {
    my ($self) = @_;
    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    $self->close;
}

1;
