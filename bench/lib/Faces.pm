# SPDX-License-Identifier: Apache-2.0
#
# What the faces cost over 400 children x 64 connections, compared with server-status over a scoreboard of
# that size. Ours: bench/faces.c on a simulated board. server-status:
# requests to httpd -X, whose scoreboard has that many slots.
package Faces;
use strict;
use warnings;
use Instructions;
use Time::HiRes qw(time);
use IO::Socket::INET;

our ($CHILDREN, $SLOTS) = (400, 64);

sub measure {
    my ($top, $say) = @_;
    my $rows = ours($top, $say);
    return { rows => [peer($say), @$rows] };
}

# Ours: what core/ does for a face, on a board with no connections and with 64 per child.
sub ours {
    my ($top, $say) = @_;
    my $faces = compile($top) or do { $say->('faces: core/ does not build yet'); return [] };
    my @rows;
    for my $face ('page', 'page?auto', 'json', 'metrics', 'snapshot') {
        my ($idle, $busy) = map { simulate($faces, $face, $_) } 0, $SLOTS;
        my $name = $face =~ s{^page}{/pool-status}r =~ s{^json}{/pool-status/json}r =~ s{^metrics}{/pool-status/metrics}r =~ s{^snapshot}{(snapshot alone)}r;
        push @rows, { face => $name, board => 'idle', %$idle }, { face => $name, board => 'busy', %$busy };
        $say->(sprintf 'faces: %s: idle %.2f M, busy %.2f M instructions', $name, $idle->{instructions} / 1e6, $busy->{instructions} / 1e6);
        # What one more row costs: the page shows as many as requested, JSON all.
        my ($less, $more, $n) = $face eq 'json' ? ($idle, $busy, $CHILDREN * $SLOTS)
                              : $face eq 'page' ? ($busy, simulate($faces, 'page?rows=1000', $SLOTS), 900) : next;
        push @rows, { face => $name, board => 'a busy row more',
                      map { $_ => ($more->{$_} - $less->{$_}) / $n } qw(instructions seconds bytes) };
    }
    return \@rows;
}

# Build a program of bench/ with all of core/, by default "faces". @return its path
sub compile {
    my ($top, $name) = @_;
    $name //= 'faces';
    my $dir = $Server::env{work};
    my $log = "$dir/$name.log";
    my $flags = `$ENV{APR} --cppflags --includes` . `$ENV{APU} --includes`;
    my $libs = `$ENV{APU} --link-ld` . `$ENV{APR} --link-ld --libs`;
    s/\s+/ /g for $flags, $libs;
    my $rooms = join ' ', map "-I\Q$_\E", glob "$top/core/*/";
    my @web = grep { !/embed\.sh$/ } glob "$top/web/*";
    system("sh \Q$top\E/web/embed.sh $dir/web_files.c @web >$log 2>&1") == 0
        && system("cc -std=gnu11 -O2 -g -I\Q$top\E/include $rooms $flags -o $dir/$name "
                  . "\Q$top\E/bench/$name.c \Q$top\E/core/*/*.c $dir/web_files.c $libs -lpthread -ldl -lm >$log 2>&1") == 0
        or do { print STDERR Server::read_file($log); return };
    return "$dir/$name";
}

# Instructions of showing a face once, by difference; the fastest time and the bytes of ten.
sub simulate {
    my ($faces, $face, $rows) = @_;
    my $dir = $Server::env{work};
    my ($one, $three) = map {
        Server::client("$dir/faces.out", 'valgrind', '--tool=callgrind', '--quiet', "--callgrind-out-file=$dir/faces.callgrind",
                       $faces, $face, $rows, $_, $dir);
        Server::read_file("$dir/faces.callgrind") =~ /^summary:\s+(\d+)/m ? $1 : die "callgrind left no sum\n";
    } 1, 3;
    my ($bytes, $seconds, $held) = split ' ', Server::client("$dir/faces.out", $faces, $face, $rows, 10, $dir);
    return { instructions => ($three - $one) / 2, bytes => $bytes, seconds => $seconds, held => $held };
}

# server-status, idle and with busy rows. It has a row for each thread that ever served, so instructions and
# bytes are for the second page of a fresh server.
sub peer {
    my ($say) = @_;
    my $sum = $CHILDREN * $SLOTS;
    # worker: a keep-alive connection keeps its thread, and so its row
    my $case = { mpm => 'worker', client => 'ab', threads => $SLOTS,
                 limits => "ServerLimit $CHILDREN\nThreadLimit $SLOTS\nMaxRequestWorkers $sum\n"
                         . "MinSpareThreads 1\nMaxSpareThreads $sum\n",
                 extra => "<Location /server-status>\nSetHandler server-status\n</Location>\n" };
    my $held = $SLOTS - 4;
    my @rows;
    for my $path ('/server-status', '/server-status?auto') {
        my ($name) = $path =~ m{/(.*)};
        my $idle = second_page($case, $path, 0);
        $say->(sprintf 'faces: %s, %d idle slots: %.2f M instructions', $name, $sum, $idle->{instructions} / 1e6);
        push @rows, { face => $name, board => 'idle', %$idle };
        next if $path =~ /auto/;
        my $busy = second_page($case, $path, $held);
        push @rows, { face => $name, board => 'a busy row more',
                      map { $_ => ($busy->{$_} - $idle->{$_}) / $held } qw(instructions bytes) };
    }
    return @rows;
}

sub second_page {
    my ($case, $path, $held) = @_;
    my %how = (path => $path, before => sub { hold($_[0], $held) });
    my $instructions = Instructions::per_request($case, 'status', %how, few => 1, many => 2);
    my $server = Server->new(%$case, variant => 'status')->start(single => 1);
    my $connections = hold($server, $held);
    my (@seconds, $size);
    for (1 .. 100) {
        my $start = time;
        my ($status, $body) = $server->get($path);
        push @seconds, time - $start;
        $size = length $body if @seconds == 2;
        die "$path answered $status\n" unless $status == 200;
    }
    $server->stop;
    return { instructions => $instructions, seconds => (sort { $a <=> $b } @seconds)[0], bytes => $size };
}

# n keep-alive connections, each with one request done; they last as long as the return value.
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

1;
