# Whoever stands behind malloc is recognised, and asked in its own words.
use strict;
use warnings;
use PST;
use PST::Books;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'the heap does not depend on the MPM' if mpm() ne 'event';
plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my $limits = "StartServers 1\nServerLimit 1\nThreadsPerChild 12\nThreadLimit 12\nMinSpareThreads 1\nMaxSpareThreads 12\nMaxRequestWorkers 12\n";
my $MB = 1024 * 1024;

# 20 MB of small blocks in each of eight threads at once, freed but for one block of each.
sub burst {
    my ($s) = @_;
    my @c = map { PST::Conn->new($s->port) or die "no connection\n" } 1 .. 8;
    $_->get('/poolprobe?pool=none&heap=20000&heap_bytes=1000&heap_free=pinned&hold=500&output=2', headers => ['Connection: close']) for @c;
    return scalar grep { $_->response(timeout => 20)->{status} == 200 } @c;
}

sub release_now {
    my ($s, $accept) = @_;
    my $body = 'nonce=' . $s->json->{server}{release_nonce};
    return $s->fetch('/pool-status/release', method => 'POST', body => $body, timeout => 20,
        headers => [ "Accept: $accept", 'Content-Length: ' . length $body ])->{body};
}

# What was freed in many threads comes back, or stays, as it is said.
sub comes_back {
    my ($s, $heap, $now) = @_;
    my $began = time;
    is(burst($s), 8, '160 MB taken and freed in eight threads');
    my $full   = $now->(time, sub { $heap ne 'glibc' || ($_[0]{maps_time} > $began && $_[0]{heap_free_bytes} > 150_000_000) });
    my $before = rollup($full->{pid})->{Rss};
    my $answer = json_of(release_now($s, 'application/json'));
    my $after  = rollup($full->{pid})->{Rss};
    my $row    = $answer->{children}[0];
    my $said   = $row->{heap_bytes} + $row->{allocators_bytes};
    is($row->{state}, 'done', 'released') or return;
    note("$heap: not resident $full->{not_resident_bytes}, free $full->{heap_free_bytes}, given back $row->{heap_bytes} and $row->{allocators_bytes}, RSS $before to $after, took $row->{took_seconds} s");
    is($row->{heap}, $heap, 'by that heap');
    cmp_ok(abs($before - $after - $said), '<', 3 * $MB, 'RSS is really lower by what is said');
    cmp_ok(abs($row->{rss_fell_bytes} - $said), '<', 3 * $MB, 'the answer agrees with itself');
    if ($heap eq 'mimalloc') {
        is($row->{heap_bytes}, 0, 'nothing is counted');
        is($row->{heap_gives_back}, 0, 'since nothing can come');
        like($answer->{release}{note}, qr/mimalloc gives back only what the threads that freed it ask for/, 'the answer says so');
        like(release_now($s, 'text/html'), qr/mimalloc gives back only/, 'the page of the answer');
        like($s->fetch('/pool-status')->{body}, qr/The heap stays as it is: mimalloc gives back only/, 'and the page');
        return;
    }
    is($row->{heap_gives_back}, 1, 'it can be asked');
    ok(!exists $answer->{release}{note}, 'nothing else is to be said');
    cmp_ok($full->{heap_free_bytes}, '>', 20 * $MB, 'it was free in the heap');
    # what tcmalloc's threads keep for themselves stays
    cmp_ok($row->{heap_bytes}, '>', $heap eq 'tcmalloc' ? 8 * $MB : $full->{heap_free_bytes} / 2, 'much of what was free came back');
    cmp_ok($row->{heap_bytes}, '<', $full->{heap_free_bytes} + 2 * $MB, 'and not more');
    my $less = $now->(time, sub { $_[0]{maps_time} >= $_[0]{released_time} });
    cmp_ok(abs($full->{heap_free_bytes} - $less->{heap_free_bytes} - $row->{heap_bytes}), '<', 6 * $MB, 'and is free in the heap no more');
    cmp_ok($less->{pss_bytes}, '<=', $less->{rss_bytes}, 'PSS is a part of RSS');
    cmp_ok(abs($less->{rss_bytes} - $after), '<', 2 * $MB, 'the books have the RSS');
    if ($heap eq 'glibc') {
        cmp_ok($row->{heap_bytes}, '>', 150_000_000, 'all of it');
        cmp_ok($less->{heap_free_bytes}, '<', 4 * $MB, 'nothing is left');
        cmp_ok($less->{not_resident_bytes}, '<', 8 * $MB, 'nor is it called kept and not resident')
          or diag(explain({ map { $_ => [ $full->{$_}, $less->{$_} ] } grep { !ref $less->{$_} } keys %$less }));
        is(scalar(grep { $_->{id} eq 'heap-free-dominates' } @{ $s->json->{findings} }), 0, 'no finding says that much is free');
    }
}

for my $heap ([ 'glibc', '', 'both' ], ['jemalloc', 'libjemalloc.so.2', 'both'], ['tcmalloc', 'libtcmalloc_minimal.so.4', 'both'], ['mimalloc', 'libmimalloc.so.[23]*', 'sum']) {
    my ($name, $file, $tells) = @$heap;
    my ($library) = grep { -e } glob("/usr/lib/*/$file"), glob("/usr/lib/$file");
    $library = '' unless $file;
  SKIP: {
        skip "not here: $name", 1 unless defined $library;
        subtest $name => sub {
            my $s = PST::Server->new("heap-$name", limits => $limits, cores => 0, conf => "ServerName main.example\nPoolStatControl On\n");
            {
                local $ENV{LD_PRELOAD} = $library;
                ok($s->start, 'a server with it') or return diag($s->start_text . $s->log_text);
            }
            my $now = sub {
                my ($since, $wanted) = @_;
                my $c;
                ok(wait_for(sub { $c = $s->json->{children}[0]; $c->{heap_time} > $since && $c->{books_time} > $since && $wanted->($c) }, 15), 'the books are taken')
                  or diag(JSON::PP->new->canonical->encode({ map { $_ => $c->{$_} } grep { !ref $c->{$_} } keys %$c }));
                is(join('; ', law($s->json)), '', 'the law holds');
                return $c;
            };
            my $b = $now->(0, sub { $_[0]{maps_time} });
            is($b->{heap}, $name, 'recognised');
            is($b->{heap_tells}, $tells, 'and what it tells');
            cmp_ok($b->{heap_in_use_bytes}, '>', 100_000, 'something is in use');
            like($s->fetch('/pool-status')->{body}, qr{malloc">$name}, 'the page names it');
            is(PST::fetch('/poolprobe?pool=none&heap=4000&heap_bytes=10000', port => $s->port)->{status}, 200, '40 MB more in use');
            my $a = $now->(time, sub { $_[0]{heap_in_use_bytes} - $b->{heap_in_use_bytes} > 39_000_000 });
            cmp_ok($a->{heap_in_use_bytes} - $b->{heap_in_use_bytes}, '<', 80_000_000, 'not much more than that');
            cmp_ok($a->{unexplained_bytes}, '<', 12 * $MB, 'and explained');
            cmp_ok($a->{other_bytes}, '<', 6 * $MB, 'by the heap, not by other mappings');
            if ($tells eq 'both') {
                cmp_ok($a->{heap_arenas}, '>', 1, 'it has arenas') if $name eq 'jemalloc';
                is(PST::fetch('/poolprobe?pool=none&heap=4000&heap_bytes=10000&heap_free=all', port => $s->port)->{status}, 200, '40 MB and freed');
                my $f = $now->(time, sub { 1 });
                cmp_ok(abs($f->{heap_in_use_bytes} - $a->{heap_in_use_bytes}), '<', 3 * $MB, 'what is freed is not in use');
            }
            comes_back($s, $name, $now);
            is($s->stop, 0, 'stops in order');
        };
    }
}
done_testing;
