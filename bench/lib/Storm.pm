# SPDX-License-Identifier: Apache-2.0
#
# Do requests notice that memory is released meanwhile? One server under load, in turn
# without and with a POST to /pool-status/release every 100 ms: 99th percentile of latency and throughput,
# each beat with a storm against the mean of its two neighbours without. As a control every second
# "storm" is none.
package Storm;
use strict;
use warnings;
use Pairs;
use Server;
use Time::HiRes qw(sleep time);

our @SETTINGS = (
    { id => 'prefork', name => 'prefork', mpm => 'prefork', children => 10 },
    { id => 'event',   name => 'event',   mpm => 'event',   children => 1, threads => 24 },
);
our ($CLIENTS, $EVERY) = (8, 0.1);

# compare(setting, rounds, seconds): { storm => { p99 => [...], rate => [...] }, control => ..., released => bytes, asked => n }
sub compare {
    my ($setting, $rounds, $seconds) = @_;
    my $server = Server->new(%$setting, variant => 'on', extra => "PoolStatControl On\nLoadModule poolprobe_module \@WORK\@/mod_poolprobe.so\n"
        . "<Location /probe>\nSetHandler poolprobe\n</Location>\n<Location /pool-status>\nSetHandler pool-status\n</Location>\n")->start;
    my (@beats, %ratio, %sum);
    my $ok = eval {
        beat($server, 1);
        for my $round (1 .. 2 * $rounds) {
            push @beats, [ none => beat($server, $seconds) ];
            my $kind = $round % 2 ? 'storm' : 'control';
            my $storm = $kind eq 'storm' ? begin($server) : undef;
            push @beats, [ $kind => beat($server, $seconds) ];
            end($storm, \%sum) if $storm;
        }
        push @beats, [ none => beat($server, $seconds) ];
        1;
    };
    my $failed = $@;
    $server->stop;
    die $failed unless $ok;
    my @died = $server->crashes;
    die "children died:\n@died\n" if @died;
    for (my $i = 1; $i < @beats; $i += 2) {
        my ($kind, $p99, $rate) = @{ $beats[$i] };
        my ($left, $right) = @beats[ $i - 1, $i + 1 ];
        push @{ $ratio{$kind}{p99} }, 2 * $p99 / ($left->[1] + $right->[1]);
        push @{ $ratio{$kind}{rate} }, 2 * $rate / ($left->[2] + $right->[2]);
    }
    return { %ratio, %sum };
}

# Each request is large enough to be worth a release: 200 KB in its pool, a connection each.
sub beat {
    my ($server, $seconds) = @_;
    my $csv = "$server->{dir}/percent.csv";
    my $text = Server::client("$server->{dir}/client", 'ab', '-q', "-c$CLIENTS", "-t$seconds", '-n', 10_000_000, '-e', $csv,
        $server->url('/probe?pool=request&bytes=20000&pieces=10&touch=1&output=200'));
    die "ab saw errors:\n$text" if $text =~ /^Non-2xx/m;
    my ($p99) = Server::read_file($csv) =~ /^99,([\d.]+)/m;
    my ($rate) = $text =~ /^Requests per second:\s+([\d.]+)/m;
    die "no figures from ab:\n$text" unless $p99 && $rate;
    return ($p99, $rate);
}

sub begin {
    my ($server) = @_;
    my (undef, $json) = $server->get('/pool-status/json');
    my ($nonce) = $json =~ /"release_nonce":"([0-9a-f]+)"/ or die "no nonce\n";
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    return { pid => $pid, from => $from } if $pid;
    close $from;
    my ($on, $asked, $bytes) = (1, 0, 0);
    local $SIG{TERM} = sub { $on = 0 };
    while ($on) {
        my $began = time;
        my $body = "nonce=$nonce";
        if (my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{port})) {
            print $c "POST /pool-status/release HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: "
                . length($body) . "\r\n\r\n$body";
            local $/;
            my $all = <$c> // '';
            $asked++ if $all =~ m{^HTTP/\S+ 200};
            $bytes += $1 if $all =~ /"allocators_bytes":(\d+)/;
        }
        my $left = $began + $EVERY - time;
        sleep $left if $on && $left > 0;
    }
    print $to "$asked $bytes\n";
    close $to;
    POSIX::_exit(0);
}

sub end {
    my ($storm, $sum) = @_;
    kill TERM => $storm->{pid};
    my ($asked, $bytes) = split ' ', readline($storm->{from}) // '0 0';
    waitpid $storm->{pid}, 0;
    $sum->{asked} += $asked;
    $sum->{released} += $bytes;
}

1;
