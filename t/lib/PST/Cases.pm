# SPDX-License-Identifier: Apache-2.0
#
# Shared by the cases: clients that send requests in the background, and looks at what the doctor says.
package PST::Cases;
use strict;
use warnings;
use Exporter qw(import);
use POSIX ();
use PST;
use PST::Conn;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(modules kept looks blamed_ones ended said);

# LoadModule lines of those that must be named, and of those that must not.
sub modules {
    my $top = PST::stage()->{top};
    return "LoadModule poolguilty_module $top/mod_poolguilty.so\nLoadModule poolinnocent_module $top/mod_poolinnocent.so\n";
}

my @clients;

# So many kept connections in a process of their own. A request on each, so many seconds apart, for the path that path->(n) gives
# for the n-th request of all; o: close => each on a connection of its own; streams => how many are held open on stream_path beside them
sub kept {
    my ($port, $connections, $apart, $path, %o) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        $SIG{PIPE} = 'IGNORE';
        my @streams = map { my $c = PST::Conn->new($port); $c && $c->get($o{stream_path}); $c // () } 1 .. $o{streams} // 0;
        my @conns = map { { conn => undef, due => time + $apart * $_ / $connections } } 1 .. $connections;
        my ($until, $n) = (time + ($o{seconds} // 600), 0);
        while (time < $until) {
            my ($next) = sort { $a->{due} <=> $b->{due} } @conns;
            my $wait = $next->{due} - time;
            sleep($wait < 0.02 ? $wait : 0.02) if $wait > 0;
            for my $s (@streams) { 1 while $s->_more(time + 0.0005); $s->{buffer} = '' }
            next if $wait > 0;
            $next->{conn} //= PST::Conn->new($port);
            my $asked = $next->{conn} && $next->{conn}->get(ref $path ? $path->($n++) : $path, headers => [ $o{close} ? 'Connection: close' : () ])
              && $next->{conn}->response->{status};
            undef $next->{conn} if !$asked || $o{close};
            $next->{due} += $apart;
        }
        POSIX::_exit(0);
    }
    push @clients, $pid;
    return $pid;
}

sub ended {
    my @pids = @_ ? @_ : @clients;
    kill KILL => $_ and waitpid $_, 0 for @pids;
    my %gone = map { $_ => 1 } @pids;
    @clients = grep !$gone{$_}, @clients;
}
END { local $?; ended() if @clients }

# At most one look a second until done->($json, seconds since the start), for at most that many seconds.
sub looks {
    my ($server, $seconds, $done) = @_;
    my $begun = time;
    while (time < $begun + $seconds) {
        my $json = eval { $server->json(timeout => 30) };
        return 1 if $json && $done->($json, time - $begun);
        sleep 1;
    }
    return 0;
}

# Findings that say who: [ id, module ]
sub blamed_ones {
    my ($json) = @_;
    return map { [ $_->{id}, $_->{blamed} ] } grep { $_->{blamed} } @{ $json->{findings} };
}

sub said {
    my ($json) = @_;
    return join '', map { "$_->{severity} $_->{id}: $_->{what} $_->{evidence} $_->{advice}\n" } @{ $json->{findings} };
}

1;
