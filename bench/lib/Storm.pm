# SPDX-License-Identifier: Apache-2.0
#
# Do requests notice that memory is being released? One server under load, alternately without and with a POST
# to /pool-status/release every 100 ms: latency (median, 99th percentile, longest) and throughput, each beat
# with a storm against the mean of its two neighbours without. As a control every second "storm" does nothing.
#
# Two loads: requests that only use pools, which never wait; and requests that also call malloc, in children
# whose heaps are fragmented, where malloc_trim holds the lock that they need.
package Storm;
use strict;
use warnings;
use Pairs;
use Server;
use Time::HiRes qw(sleep time);

our @SETTINGS = (
    { id => 'prefork', name => 'prefork', mpm => 'prefork', children => 10 },
    { id => 'worker',  name => 'worker',  mpm => 'worker',  children => 1, threads => 24 },
    { id => 'event',   name => 'event',   mpm => 'event',   children => 1, threads => 24 },
);
our @LOADS = (
    { name => 'pools',  path => '/probe?pool=request&bytes=20000&pieces=10&touch=1&output=200' },
    { name => 'malloc', path => '/probe?pool=request&bytes=20000&pieces=10&touch=1&heap=200&heap_bytes=3000&heap_free=all&output=200', holes => 1 },
);
our @FIGURES = qw(p50 p99 longest rate);
our ($CLIENTS, $EVERY) = (8, 0.1);

# compare(setting, load, rounds, seconds): { storm => { p50 => [ratio...], ... }, control => ..., none => { p50 => [ms...], ... },
# released => bytes, heap => bytes, asked => n }
sub compare {
    my ($setting, $load, $rounds, $seconds) = @_;
    my $server = Server->new(%$setting, variant => 'on', extra => "PoolStatControl On\nLoadModule poolprobe_module \@WORK\@/mod_poolprobe.so\n"
        . "<Location /probe>\nSetHandler poolprobe\n</Location>\n<Location /pool-status>\nSetHandler pool-status\n</Location>\n")->start;
    my (@beats, %result);
    my $ok = eval {
        holes($server) if $load->{holes};
        beat($server, $load, 1);
        for my $round (1 .. 2 * $rounds) {
            push @beats, [ none => beat($server, $load, $seconds) ];
            my $kind = $round % 2 ? 'storm' : 'control';
            my $storm = $kind eq 'storm' ? begin($server) : undef;
            push @beats, [ $kind => beat($server, $load, $seconds) ];
            end($storm, \%result) if $storm;
        }
        push @beats, [ none => beat($server, $load, $seconds) ];
        1;
    };
    my $failed = $@;
    $server->stop;
    die $failed unless $ok;
    my @died = $server->crashes;
    die "children died:\n@died\n" if @died;
    for (my $i = 0; $i < @beats; $i++) {
        my ($kind, $is) = @{ $beats[$i] };
        for my $figure (@FIGURES) {
            push @{ $result{$kind}{$figure} }, $kind eq 'none' ? $is->{$figure}
              : 2 * $is->{$figure} / ($beats[ $i - 1 ][1]{$figure} + $beats[ $i + 1 ][1]{$figure});
        }
    }
    return \%result;
}

# 10,000 free blocks of 1,500 bytes between as many in use, in each child or, where there are threads, in each
# of some arenas.
sub holes {
    my ($server) = @_;
    my $n = $server->{threads} ? 8 : $server->{children};
    Server::client("$server->{dir}/client", 'ab', '-q', "-c$n", "-n$n", $server->url('/probe?heap=20000&heap_bytes=1500&heap_free=half&hold=1500&output=2'));
}

# Each request is large enough to be worth a release: 200 KB in its pool, a connection each.
sub beat {
    my ($server, $load, $seconds) = @_;
    my $csv = "$server->{dir}/percent.csv";
    my $text = Server::client("$server->{dir}/client", 'ab', '-q', "-c$CLIENTS", "-t$seconds", '-n', 10_000_000, '-e', $csv, $server->url($load->{path}));
    die "ab saw errors:\n$text" if $text =~ /^Non-2xx/m;
    my %ms = Server::read_file($csv) =~ /^(50|99),([\d.]+)/mg;
    my ($longest) = $text =~ /^ *100% +(\d+)/m;
    my ($rate) = $text =~ /^Requests per second:\s+([\d.]+)/m;
    die "no figures from ab:\n$text" unless $ms{50} && $ms{99} && $longest && $rate;
    return { p50 => $ms{50}, p99 => $ms{99}, longest => $longest, rate => $rate };
}

sub begin {
    my ($server) = @_;
    my (undef, $json) = $server->get('/pool-status/json');
    my ($nonce) = $json =~ /"release_nonce":"([0-9a-f]+)"/ or die "no nonce\n";
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    return { pid => $pid, from => $from } if $pid;
    close $from;
    my ($on, $asked, $bytes, $heap) = (1, 0, 0, 0);
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
            $heap += $1 if $all =~ /"heap_bytes":(\d+)/;
        }
        my $left = $began + $EVERY - time;
        sleep $left if $on && $left > 0;
    }
    print $to "$asked $bytes $heap\n";
    close $to;
    POSIX::_exit(0);
}

sub end {
    my ($storm, $sum) = @_;
    kill TERM => $storm->{pid};
    my ($asked, $bytes, $heap) = split ' ', readline($storm->{from}) // '0 0 0';
    waitpid $storm->{pid}, 0;
    $sum->{asked} += $asked;
    $sum->{released} += $bytes;
    $sum->{heap} += $heap;
}

1;
