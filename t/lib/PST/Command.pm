# SPDX-License-Identifier: Apache-2.0
#
# The command poolstat, as a shell runs it, and a terminal to run it in.
#
#   my $r = poolstat('json', '--pid', $s->pid);   is($r->{status}, 0) or diag($r->{err});
#   my $t = PST::Command->terminal(100, 30, 'top', '--pid', $s->pid);
#   $t->shows(qr/Held/) and $t->keys('Enter');
package PST::Command;
use strict;
use warnings;
use Exporter 'import';
use PST ();
use PST::Stage;
use Time::HiRes qw(time);

our @EXPORT = qw(poolstat poolstat_json program);

my $serial = 0;

sub program { return PST::stage()->{top} . '/poolstat' }

sub _dir { my $d = PST::stage()->{top} . '/t/logs'; return $d }

# Run it: status, what it said on both, and how long it took. It may take ten seconds.
sub poolstat {
    my @args = @_;
    my %env = ref $args[0] ? %{ shift @args } : ();
    my ($out, $err) = map sprintf('%s/command.%d.%d.%s', _dir(), $$, ++$serial, $_), qw(out err);
    my $began = time;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        delete $ENV{COLUMNS};
        @ENV{ keys %env } = values %env;
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>', $err;
        exec 'timeout', '-k', 1, PST::stage()->{san} ? 60 : 10, program(), @args or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my %r = (status => $? & 127 ? 128 + ($? & 127) : $? >> 8, took => time - $began, out => PST::Stage::read_file($out), err => PST::Stage::read_file($err));
    unlink $out, $err;
    return \%r;
}

# What `poolstat json` says of a server, or nothing.
sub poolstat_json {
    my $r = poolstat('json', @_);
    return $r->{status} == 0 ? PST::json_of($r->{out}) : undef;
}

# A terminal of tmux, with a server of its own, which ends with us.
my @terminals;

sub terminal {
    my ($class, $columns, $lines, @args) = @_;
    my $self = bless { name => join('-', 'pst', $$, ++$serial) }, $class;
    my $run = join ' ', map { "'" . s/'/'\\''/gr . "'" } program(), @args;
    push @terminals, $self;
    $self->_tmux('new-session', '-d', '-x', $columns, '-y', $lines, "$run 2>&1; echo status=\$?; exec cat");
    return $self;
}

sub _tmux {
    my ($self, @command) = @_;
    local $ENV{LC_ALL} = 'C.UTF-8';
    local $ENV{TMUX};
    delete $ENV{TMUX};
    open my $in, '-|', 'tmux', '-u', '-L', $self->{name}, '-f', '/dev/null', @command or die "tmux: $!\n";
    local $/;
    my $text = <$in>;
    close $in;
    return $text // '';
}

sub text { my ($self) = @_; return $self->_tmux('capture-pane', '-p') }
sub keys { my ($self, @keys) = @_; $self->_tmux('send-keys', @keys); return $self }
sub resize { my ($self, $columns, $lines) = @_; $self->_tmux('resize-window', '-x', $columns, '-y', $lines); return $self }

# Wait until the screen matches. Returns the screen, or nothing.
sub shows {
    my ($self, $what, $seconds) = @_;
    my $text = '';
    return $text if PST::wait_for(sub { $text = $self->text; $text =~ $what }, $seconds // 10);
    Test::More::diag("the terminal shows:\n$text");
    return;
}

sub end { my ($self) = @_; $self->_tmux('kill-server') unless $self->{ended}++ }

END {
    local ($@, $?, $!);
    $_->end for @terminals;
}

1;
