# SPDX-License-Identifier: Apache-2.0
#
# Throughput and CPU per request of two servers, side by side: A B A B ..., every
# B against the mean of its neighbours A, medians of these ratios. A second
# plain server is the control: its difference is what this machine cannot resolve.
package Pairs;
use strict;
use warnings;
use Server;

our @SETTINGS = (
    { id => 'prefork', name => 'prefork', mpm => 'prefork', children => 8 },
    { id => 'worker',  name => 'worker',  mpm => 'worker', children => 1, threads => 16 },
    { id => 'event',   name => 'event',   mpm => 'event',  children => 1, threads => 16 },
    { id => 'h2c',     name => 'h2c (event)', mpm => 'event', children => 1, threads => 16, h2c => 1 },
);
our $CONNECTIONS = 8;

# One beat: returns (requests a second, CPU seconds a request).
sub beat {
    my ($server, $seconds) = @_;
    my $before = $server->cpu;
    my ($text, $requests, $rate);
    if ($server->{h2c}) {
        # A fixed number of requests, as many as fit in the time going by the last beat.
        my $n = $server->{fits} || 2000;
        $text = Server::client("$server->{dir}/client", 'h2load', "-c$CONNECTIONS", '-m4', '-n', $n, $server->url);
        ($rate, $requests) = $text =~ m{, ([\d.]+) req/s.*?(\d+) succeeded, 0 failed}s;
        $server->{fits} = int($rate * $seconds) || 1 if $rate;
    } else {
        $text = Server::client("$server->{dir}/client", "ab", "-q", "-k", "-c$CONNECTIONS", "-t$seconds", "-n", 10_000_000, $server->url);
        ($requests) = $text =~ /^Complete requests:\s+(\d+)/m;
        ($rate) = $text =~ /^Requests per second:\s+([\d.]+)/m;
        die "ab saw errors:\n$text" if $text =~ /^Non-2xx/m;
    }
    die "no figures from the client:\n$text" unless $requests && $rate;
    return ($rate, ($server->cpu - $before) / $requests);
}

# compare(setting, variants, rounds, seconds): for each variant its ratios to plain,
# { rate => [...], cpu => [...] }.
sub compare {
    my ($setting, $variants, $rounds, $seconds) = @_;
    my (%server, %ratio, @beats);
    my $ok = eval {
        $server{$_} = Server->new(%$setting, variant => $_)->start for 'plain', @$variants;
        beat($_, 1) for values %server;
        for my $round (1 .. $rounds) {
            for ($round % 2 ? @$variants : reverse @$variants) {
                push @beats, ['plain', beat($server{plain}, $seconds)], [$_, beat($server{$_}, $seconds)];
            }
        }
        push @beats, ['plain', beat($server{plain}, $seconds)];
        1;
    };
    my $failed = $@;
    $_->stop for grep { $_ } values %server;
    die $failed unless $ok;
    my @died = map { $_->crashes } values %server;
    die "children died:\n@died\n" if @died;
    for (my $i = 1; $i < @beats; $i += 2) {
        my ($name, $rate, $cpu) = @{$beats[$i]};
        my ($left, $right) = @beats[$i - 1, $i + 1];
        push @{$ratio{$name}{rate}}, 2 * $rate / ($left->[1] + $right->[1]);
        push @{$ratio{$name}{cpu}}, 2 * $cpu / ($left->[2] + $right->[2]) if $left->[2] + $right->[2] > 0;
    }
    return \%ratio;
}

1;
