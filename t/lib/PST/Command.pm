# SPDX-License-Identifier: Apache-2.0
#
# The command poolstat, as a shell runs it, and a terminal to run it in.
#
#   my $r = poolstat('json', '--pid', $s->pid);   is($r->{status}, 0) or diag($r->{err});
#   my $t = PST::Command->terminal(100, 30, 'top', '--pid', $s->pid);
#   $t->shows(qr/Held/) and $t->keys('Enter');
#   my $p = PST::Command->pty(80, 24, { TERM => 'xterm' }, 'doctor');   # what it writes, byte by byte
#   $p->end->{out};
package PST::Command;
use strict;
use warnings;
use Exporter 'import';
use IO::Handle;
use POSIX ();
use PST ();
use PST::Stage;
use Time::HiRes qw(time);

our @EXPORT = qw(poolstat poolstat_json program);

my $serial = 0;

sub program { return PST::stage()->{top} . '/poolstat' }

sub _dir { my $d = PST::stage()->{top} . '/t/logs'; return $d }

# Run it: status, stdout, stderr, and how long it took. It may take ten seconds.
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

# What `poolstat json` says about a server, or nothing.
sub poolstat_json {
    my $r = poolstat('json', @_);
    return $r->{status} == 0 ? PST::json_of($r->{out}) : undef;
}

# '', or why there can be no terminal.
sub lacks_terminal {
    return PST::lacks('tmux') || (-e '/dev/pts/ptmx' && -e '/dev/ptmx' ? '' : 'not here: /dev/pts');
}

# A terminal of tmux, with its own tmux server, which ends with us.
my @terminals;

sub terminal {
    my ($class, $columns, $lines, @args) = @_;
    my %env = ref $args[0] ? %{ shift @args } : ();
    my $run = join ' ', map { "'" . s/'/'\\''/gr . "'" } 'env', map("$_=$env{$_}", sort keys %env), program(), @args;
    return $class->_session($columns, $lines, "$run 2>&1; echo status=\$?; exec cat");
}

# The same, started by a shell with job control: Ctrl-Z and fg.
sub shell {
    my ($class, $columns, $lines, @args) = @_;
    my $self = $class->_session($columns, $lines, "PS1='ready> ' exec bash --norc --noprofile -i");
    $self->shows(qr/^ready>/m) and $self->keys(join(' ', map { "'" . s/'/'\\''/gr . "'" } program(), @args), 'Enter');
    return $self;
}

sub _session {
    my ($class, $columns, $lines, $run) = @_;
    my $self = bless { name => join('-', 'pst', $$, ++$serial) }, $class;
    push @terminals, $self;
    $self->_tmux('new-session', '-d', '-x', $columns, '-y', $lines, $run);
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
    return $text if PST::wait_for(sub { $text = $self->text; $text =~ $what }, $seconds // 30);
    Test::More::diag("the terminal shows:\n$text");
    return;
}

# A pseudo-terminal of our own, which is not the program's controlling one: when it hangs up, no signal tells.
package PST::Command::Pty;
use Time::HiRes qw(time);

sub PST::Command::pty {
    my (undef, $columns, $lines, @args) = @_;
    my %env = ref $args[0] ? %{ shift @args } : ();
    my ($unlock, $number, $size) = (pack('i', 0), pack('i', 0), pack('S4', $lines, $columns, 0, 0));
    open my $master, '+<', '/dev/ptmx' or die "ptmx: $!\n";
    # TIOCSPTLCK, TIOCGPTN, TIOCSWINSZ of Linux
    ioctl $master, 0x40045431, $unlock and ioctl $master, 0x80045430, $number and ioctl $master, 0x5414, $size or die "pty: $!\n";
    my $self = bless { master => $master, out => '', began => time }, 'PST::Command::Pty';
    defined($self->{pid} = fork) or die "fork: $!\n";
    if (!$self->{pid}) {
        sysopen my $slave, '/dev/pts/' . unpack('i', $number), 2 | 0400 or POSIX::_exit(126);    # O_RDWR | O_NOCTTY
        open STDIN, '<&', $slave; open STDOUT, '>&', $slave; open STDERR, '>&', $slave;
        close $master;
        delete @ENV{qw(COLUMNS LINES NO_COLOR)};
        $ENV{TERM} = 'xterm';
        @ENV{ keys %env } = values %env;
        exec PST::Command::program(), @args or POSIX::_exit(127);
    }
    return $self;
}

sub pid { $_[0]{pid} }

# Read until the output matches; with nothing to match, until the end. True if it matched.
sub shows {
    my ($self, $what, $seconds) = @_;
    my $until = time + ($seconds // 30);
    while (!$what || $self->{out} !~ $what) {
        my $ready = '';
        vec($ready, fileno $self->{master}, 1) = 1;
        return 0 if time > $until;
        next if !select $ready, undef, undef, 0.2;
        sysread $self->{master}, $self->{out}, 65536, length $self->{out} or return !$what;    # EIO: closed
    }
    return 1;
}

sub hang_up { my ($self) = @_; close $self->{master} }

# Wait for its end: status (undef: still running), CPU seconds, what it wrote, without the terminal's \r.
sub end {
    my ($self, $seconds) = @_;
    $self->shows(undef, $seconds) if $self->{master}->opened;
    my $ended = PST::wait_for(sub { waitpid($self->{pid}, POSIX::WNOHANG()) > 0 }, $seconds // 10);
    my $status = $?;
    if (!$ended) {
        kill KILL => $self->{pid};
        waitpid $self->{pid}, 0;
    }
    my ($user, $system) = (times)[2, 3];
    return { status => !$ended ? undef : $status & 127 ? 128 + ($status & 127) : $status >> 8, out => $self->{out} =~ s/\r//gr,
        cpu_of_all => $user + $system };
}

package PST::Command;

sub end { my ($self) = @_; $self->_tmux('kill-server') unless $self->{ended}++ }

END {
    local ($@, $?, $!);
    $_->end for @terminals;
}

1;
