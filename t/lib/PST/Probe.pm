# SPDX-License-Identifier: Apache-2.0
#
# A request to the probe module that waits where it is told to, so that a test can
# look at it from another connection. See c-modules/poolprobe/mod_poolprobe.c.
#
#   my $p = PST::Probe->start('pool=request&bytes=100000', hold => [qw(hold0 hold)]);
#   $p->arrived('hold0');  look...   $p->release('hold0');
#   my $report = $p->arrived('hold'); look...   $p->release('hold');  $p->finish;
package PST::Probe;
use strict;
use warnings;
use PST::Conn;

sub start {
    my ($class, $query, %o) = @_;
    # waits have names that differ from the request's, so that peek= and release= are not mistaken for it
    my $self = bless { name => PST::token('p'), wait => PST::token('w'), port => $o{port} // PST::port(), ask => $o{ask} // PST::port() }, $class;
    my @holds = @{ $o{hold} // ['hold'] };
    $self->{holds} = [@holds];
    my $all = join '&', "n=$self->{name}", $query, map "$_=" . $self->token($_), @holds;
    $self->{path} = ($o{path} // '/poolprobe') . "?$all";
    $self->{conn} = $o{conn} // PST::Conn->new($self->{port}) // die "no connection to $self->{port}\n";
    $self->{conn}->get($self->{path}, host => $o{host}) unless $o{quiet};
    return $self;
}

# hold0, hold, hold2 wait under these names; the request line is found by name.
sub token { my ($self, $hold) = @_; return "$self->{wait}-$hold" }
sub name  { $_[0]{name} }
sub conn  { $_[0]{conn} }

sub _ask {
    my ($self, $what, $hold) = @_;
    my $path = "/poolprobe?$what=" . $self->token($hold);
    my $r = $self->{ask} == PST::port() ? PST::fetch_kept($path) : PST::fetch($path, port => $self->{ask});
    return PST::json_of($r->{body});
}

# The report, once the request waits there. Dies if it never does.
sub arrived {
    my ($self, $hold, $seconds) = @_;
    my $answer;
    PST::wait_for(sub { $answer = $self->_ask(peek => $hold); $answer && $answer->{arrived} }, $seconds // 15)
      or die "the probe never came to $hold: $self->{path}\n";
    return $answer->{report};
}

sub release {
    my ($self, $hold) = @_;
    $self->_ask(release => $hold);
    @{ $self->{holds} } = grep { $_ ne $hold } @{ $self->{holds} };
}

# Let it end and read the answer; the connection stays open.
sub finish {
    my ($self, %o) = @_;
    $self->release($_) for @{ [ @{ $self->{holds} } ] };
    return $self->{conn}->response(%o);
}

sub DESTROY {
    my ($self) = @_;
    local ($@, $?);
    eval { $self->release($_) for @{ [ @{ $self->{holds} } ] } };
}

1;
