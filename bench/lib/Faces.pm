# SPDX-License-Identifier: Apache-2.0
#
# What the faces cost over 400 children x 64 connections, beside server-status over a
# scoreboard of that size. Ours: bench/faces.c on a simulated board. server-status:
# requests to httpd -X, whose scoreboard has that many slots.
package Faces;
use strict;
use warnings;
use Instructions;
use Report;
use Time::HiRes qw(time);
use IO::Socket::INET;

our ($CHILDREN, $SLOTS) = (400, 64);

sub measure {
    my ($top, $have, $say) = @_;
    my @rows = peer($say);
    return { rows => \@rows };
}

# server-status, idle and with busy rows.
sub peer {
    my ($say) = @_;
    my $sum = $CHILDREN * $SLOTS;
    my $limits = "ServerLimit $CHILDREN\nThreadLimit $SLOTS\nMaxRequestWorkers $sum\n"
               . "MinSpareThreads $SLOTS\nMaxSpareThreads $sum\n";
    my $status = "<Location /server-status>\nSetHandler server-status\n</Location>\n";
    # worker: a keep-alive connection keeps its thread, and so its row
    my $case = { mpm => 'worker', client => 'ab', keep => 1, threads => $SLOTS, limits => $limits, extra => $status };
    my @rows;
    for my $face (['server-status', '/server-status'], ['server-status?auto', '/server-status?auto']) {
        my ($name, $path) = @$face;
        my $idle = Instructions::per_request($case, 'status', path => $path, few => 2, many => 12);
        my ($time, $bytes) = timed($case, $path);
        $say->(sprintf 'faces: %s, %d idle slots: %.2f M instructions', $name, $sum, $idle / 1e6);
        push @rows, { face => $name, board => 'idle', rows => 0, instructions => $idle, seconds => $time, bytes => $bytes };
        next if $path =~ /auto/;
        my $busy = $SLOTS - 4;
        my $hold = sub { hold($_[0], $busy) };
        my $some = Instructions::per_request($case, 'status', path => $path, few => 2, many => 12, before => $hold);
        my ($btime, $bbytes) = timed($case, $path, $hold);
        push @rows, { face => $name, board => 'a busy row more', rows => 1, instructions => ($some - $idle) / $busy,
                      seconds => ($btime - $time) / $busy, bytes => ($bbytes - $bytes) / $busy };
    }
    return @rows;
}

# n keep-alive connections, each with one request done; they last as long as what is returned.
sub hold {
    my ($server, $n) = @_;
    my @held;
    for (1 .. $n) {
        my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{port}) or die "connect: $!\n";
        print $c "GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
        sysread $c, my $answer, 4096 or die "no answer\n";
        push @held, $c;
    }
    return \@held;
}

# Median wall time of a page without callgrind, and its size.
sub timed {
    my ($case, $path, $before) = @_;
    my $server = Server->new(%$case, variant => 'status')->start(single => 1);
    my $held = $before ? $before->($server) : undef;
    my (@seconds, $size);
    for (1 .. 30) {
        my $start = time;
        my ($status, $body) = $server->get($path);
        push @seconds, time - $start;
        $size = length $body;
        die "$path answered $status\n" unless $status == 200;
    }
    $server->stop;
    return (Report::median(@seconds), $size);
}

1;
