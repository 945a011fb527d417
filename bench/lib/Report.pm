# SPDX-License-Identifier: Apache-2.0
#
# The figures as Markdown: docs/bench.md.
package Report;
use strict;
use warnings;

my %HEAD = (plain => 'no module', control => 'control', on => 'Instrument On', prof64 => 'On, profile at 64K', off => 'Instrument Off',
            status => 'ExtendedStatus On', log => 'access log');
my @ORDER = qw(plain control on prof64 off status log);

sub new {
    my ($class, %about) = @_;
    return bless { about => \%about, instructions => [], pairs => [], notes => [], level => [] }, $class;
}
sub note         { my ($s, $text) = @_; push @{$s->{notes}}, $text; print STDERR "bench: $text\n" }
sub level        { my ($s, $text) = @_; push @{$s->{level}}, $text; print STDERR "bench: $text\n" }
sub instructions { my ($s, $case, $figures) = @_; push @{$s->{instructions}}, [$case, $figures] }
sub pairs        { my ($s, $setting, $ratios) = @_; push @{$s->{pairs}}, [$setting, $ratios] }
sub checks       { my ($s, $case, $figures) = @_; push @{$s->{checks}}, [$case, $figures] }
sub heap         { my ($s, $rows) = @_; $s->{heap} = $rows }
sub growth       { my ($s, $figures) = @_; $s->{growth} = $figures }
sub storm        { my ($s, @row) = @_; push @{$s->{storm}}, [@row] }
sub faces        { my ($s, $figures) = @_; $s->{faces} = $figures }
sub books        { my ($s, $figures) = @_; $s->{books} = $figures }

sub median {
    my @v = sort { $a <=> $b } @_ or return 0;
    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

sub thousands { my $n = sprintf '%.0f', shift; 1 while $n =~ s/^(-?\d+)(\d{3})/$1,$2/; return $n }
sub table { join('', map { '| ' . join(' | ', @$_) . " |\n" } $_[0], [map { '---' } @{$_[0]}], @_[1 .. $#_]) . "\n" }
sub percent { my $p = sprintf '%+.2f', 100 * ($_[0] - 1); $p =~ s/^-(0\.00)$/$1/; return "$p %" }

sub text {
    my ($s) = @_;
    my %a = %{$s->{about}};
    my $t = "# What mod_poolstat costs\n\n"
          . "Made by `make bench` on $a{date}; do not edit. All figures are of one run and only their ratios mean something\n"
          . "elsewhere.\n\n"
          . table(['', ''], ['machine', "$a{model}, $a{cores} cores, $a{arch}"],
                  ['httpd', $a{httpd}], ['APR, APR-util', "$a{apr}, $a{apu}"], ['valgrind', $a{valgrind}],
                  ['mod_poolstat', $a{commit} // 'not built']);
    $t .= "The module says of itself in this run: " . join('; ', @{$s->{level}}) . ".\n\n" if @{$s->{level}};
    $t .= "$_\n\n" for @{$s->{notes}};
    $t .= $s->text_instructions if @{$s->{instructions}};
    $t .= $s->text_checks       if @{$s->{checks} || []};
    $t .= $s->text_heap         if @{$s->{heap} || []};
    $t .= $s->text_pairs        if @{$s->{pairs}};
    $t .= $s->text_growth       if $s->{growth};
    $t .= $s->text_faces        if $s->{faces};
    $t .= $s->text_books        if $s->{books};
    $t .= $s->text_storm        if $s->{storm};
    $t =~ s/\n+\z/\n/;
    return $t;
}

sub text_instructions {
    my ($s) = @_;
    my $any = $s->{instructions}[0][1];
    my @columns = grep { $any->{$_} } @ORDER;
    my $times = 0;
    my @rows = map {
        my ($case, $figures) = @$_;
        my $plain = median(@{$figures->{plain}});
        my $worst = 0;
        for my $f (values %$figures) {
            my ($low, $high) = (sort { $a <=> $b } @$f)[0, -1];
            $worst = ($high - $low) / $plain if $worst < ($high - $low) / $plain;
            $times = @$f if $times < @$f;
        }
        [$case->{name}, thousands($plain), (map { percent(median(@{$figures->{$_}}) / $plain) } grep { $_ ne 'plain' } @columns),
         sprintf '%.2f %%', 100 * $worst];
    } @{$s->{instructions}};
    return "## Instructions per request\n\n"
         . table(['user-space instructions', map({ $HEAD{$_} } @columns), 'repeats differ by'], @rows)
         . "A 12-byte file. callgrind on `httpd -X`, not as root, with `ab -c1` (`-k` for keep-alive) or `h2load -c1 -m1` on the\n"
         . "same CPU: (instructions of a run with 1200 requests - of one with 200) / 1000. Medians of 2 repeats on prefork, 3\n"
         . "on event, 5 over h2c; the last column is the largest distance between two repeats of one cell, in parts of the plain\n"
         . "figure. The servers differ in the module's `LoadModule` and its one directive, in nothing else.\n\n";
}

sub text_checks {
    my ($s) = @_;
    my @columns = qw(threads1000 guard1000 buckets);
    my @rows = map {
        my ($case, $f) = @$_;
        [$case->{name}, thousands($f->{on}), map { percent($f->{$_} / $f->{on}) } @columns];
    } @{$s->{checks}};
    return "## PoolStatCheck\n\n"
         . table(['user-space instructions', 'PoolStatCheck Off', 'threads 1/1000', 'guard 1/1000', 'buckets'], @rows)
         . "Measured as above, medians of 2 repeats, compared with a server that only counts.\n\n";
}

sub text_heap {
    my ($s) = @_;
    my @rows = map {
        my ($case, $f) = @$_;
        my $off = median(@{ $f->{heapoff} });
        my ($low, $high) = (sort { $a <=> $b } @{ $f->{heapoff} })[0, -1];
        [ $case->{name}, thousands($off), thousands(median(@{ $f->{heapon} })), percent(median(@{ $f->{heapon} }) / $off),
          sprintf '%.2f %%', 100 * ($high - $low) / $off ];
    } @{ $s->{heap} };
    return "## The heap profile\n\n"
         . table([ 'user-space instructions a request', 'PoolStatHeapProfile Off', '512K', '', 'repeats of Off differ by' ], @rows)
         . "On prefork, with the module On in both. The pages of mod_perl and mod_php make some thousands of calls to malloc each, the\n"
         . "handshake of a TLS connection some hundreds. Callgrind makes a request last longer, so that the thread's second, with the looks\n"
         . "at what it samples, falls on fewer requests than it would: what it does once a second is in both columns.\n\n";
}

sub text_pairs {
    my ($s) = @_;
    my @columns = grep { $s->{pairs}[0][1]{$_} } @ORDER;
    my @rows;
    for (@{$s->{pairs}}) {
        my ($setting, $ratios) = @$_;
        for my $what (['rate', 'requests a second'], ['cpu', 'CPU a request']) {
            push @rows, [$setting->{name}, $what->[1], map {
                my @v = sort { $a <=> $b } @{$ratios->{$_}{$what->[0]} || []};
                @v ? sprintf('x %.3f (%.2f to %.2f)', median(@v), @v[0, -1]) : '' } @columns];
        }
    }
    my $rounds = @{$s->{pairs}[0][1]{control}{rate}};
    return "## Throughput and CPU per request\n\n"
         . table(['', '', map { $HEAD{$_} } @columns], @rows)
         . "Each figure is a ratio to a server without the module: median (smallest to largest) of $rounds rounds. Servers run side by\n"
         . "side and are loaded in turn for a second each, plain A, then B, then A again; B is set against the mean of its two\n"
         . "neighbours. CPU is utime + stime of the children. The control is a second plain server: what it shows is what this\n"
         . "machine cannot tell from nothing. Client: `ab -k -c8`, for h2c `h2load -c8 -m4`.\n\n";
}

sub text_growth {
    my ($s) = @_;
    my $g = $s->{growth};
    my @rows = map { my ($first, $last) = @{$g->{figure}{$_}};
        [$HEAD{$_}, thousands($first), thousands($last), sprintf 'x %.3f', $last / $first] } grep { $g->{figure}{$_} } @ORDER;
    return "## Growth of a pool\n\n"
         . table(['user-space instructions a growth', 'the first ' . thousands($g->{step}) . ' nodes',
                  'the last ' . thousands($g->{step}) . ' of ' . thousands($g->{nodes}), 'last to first'], @rows)
         . "The probe module lets one pool of the child grow, a node for each piece; callgrind on prefork `-X`, by difference.\n\n";
}

sub text_storm {
    my ($s) = @_;
    my (@rows, @given);
    for (@{$s->{storm}}) {
        my ($setting, $load, $f) = @$_;
        for my $what (['p50', 'median, ms'], ['p99', '99th percentile, ms'], ['longest', 'longest, ms'], ['rate', 'requests a second']) {
            push @rows, [$setting->{name}, $load->{name}, $what->[1], sprintf($what->[0] eq 'rate' ? '%.0f' : '%.1f', median(@{$f->{none}{$what->[0]}})), map {
                my @v = sort { $a <=> $b } @{$f->{$_}{$what->[0]} || []};
                @v ? sprintf('x %.3f (%.2f to %.2f)', median(@v), @v[0, -1]) : '' } qw(storm control)];
        }
        push @given, sprintf('%s, %s: %d MB of free lists and %d MB of the heap by %d requests', $setting->{name}, $load->{name},
                             $f->{released} / 1048576, $f->{heap} / 1048576, $f->{asked});
    }
    my $rounds = @{$s->{storm}[0][2]{storm}{rate}};
    return "## Release storms\n\n"
         . table(['', 'requests use', 'latency', 'none', 'a release every 100 ms', 'control: none'], @rows)
         . "One server with PoolStatControl On, `ab -c8` with a connection for each request of 200 KB of pool memory; for \"malloc\" the request also takes\n"
         . "200 blocks of 3,000 bytes from malloc and frees them, in heaps with 10,000 free blocks between as many in use: malloc_trim, which may be called\n"
         . "once a second, holds the lock that they want. Two seconds without, two with a `POST /pool-status/release` every 100 ms, in turn: each beat against\n"
         . "the mean of its neighbours without, median (smallest to largest) of $rounds rounds. The control is a beat without, between two others.\n\n"
         . "Given back meanwhile: " . join('; ', @given) . ".\n\n";
}

sub text_faces {
    my ($s) = @_;
    my @rows = map {
        my $r = $_;
        my $micro = ($r->{seconds} || 0) * 1e6;
        [$r->{face}, $r->{board}, thousands($r->{instructions}), defined $r->{seconds} ? sprintf("%.1f", $micro) : "", thousands($r->{bytes}),
         $r->{held} ? thousands($r->{held}) : ""]
    } @{$s->{faces}{rows}};
    return "## Faces\n\n"
         . table(['face', 'board of 400 x 64', "instructions", "us", "bytes", "memory"], @rows)
         . "server-status: requests to `httpd -X` (worker, `ServerLimit 400`, `ThreadLimit 64`) by difference, httpd's own part of a\n"
         . "request included; time over the network, the fastest of 100; a busy row more: 60 keep-alive connections, against none.\n"
         . "Ours: `bench/faces.c` does for a simulated board what the handler does, into a sink that counts; instructions by\n"
         . "difference, time the fastest of 10, memory what the face's pool held. Idle: 400 children without connections; busy: 64\n"
         . "connections each, 25,600 in all. The page and its `?auto` show the largest 100 rows (a row more: 1,000 against 100),\n"
         . "JSON shows all.\n\n";
}

sub text_books {
    my ($s) = @_;
    my $b = $s->{books};
    my $cell = sub { my ($us, $pause) = @{$_[0]}; sprintf '%s us, %s s', thousands($us), $pause < 10 ? $pause : thousands($pause) };
    my @names = ('alone', 'books taken without pause', 'as a child takes them');
    return "## The books\n\n"
         . table(['taken of', 'sum (smaps_rollup)', 'heap (mallinfo2)', 'mappings (smaps)', 'giving back (malloc_trim), again'],
                 map { [$_->{name}, (map { $cell->($_) } @$_{qw(sum heap maps)}), join ', ', map { thousands($_) . ' us' } @{$_->{release}}] } @{$b->{rows}})
         . "CPU time of the fastest of 7 takings by a child's own thread, and how long that source is then left alone at least: an\n"
         . "interval is one second, mappings are due each minute or when RSS moved. Sum and mappings are taken after a hundred times the\n"
         . "cost if RSS has moved by a sixteenth. In user space the three take " . thousands($b->{instructions}) . " instructions (those that\n"
         . "callgrind adds to the mappings included), once a second and beside the requests. The heap is asked to give back only on request or by\n"
         . "PoolStatRelease, see release.md.\n\n"
         . table(['1 GB in small pages, 100,000 free chunks', 'malloc', 'mmap and munmap', 'page fault'],
                 map { my $n = $_; [$names[$n], map { join ' / ', split ' ' } @{$b->{waits}[$n]}] } 0 .. $#{$b->{waits}})
         . "Microseconds that another thread's call took: mean / 99.9th percentile / most, of two seconds each. One arena for all, so that\n"
         . "malloc wants the lock that mallinfo2 holds. The most is the machine's as much as ours: see what it is alone.\n\n";
}

1;
