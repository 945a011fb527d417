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
my $limits = "StartServers 1\nServerLimit 1\nThreadsPerChild 6\nThreadLimit 6\nMinSpareThreads 1\nMaxSpareThreads 6\nMaxRequestWorkers 6\n";
my $MB = 1024 * 1024;

for my $heap (['jemalloc', 'libjemalloc.so.2', 'both'], ['tcmalloc', 'libtcmalloc_minimal.so.4', 'both'], ['mimalloc', 'libmimalloc.so.2*', 'sum']) {
    my ($name, $file, $tells) = @$heap;
    my ($library) = grep { -e } glob("/usr/lib/*/$file"), glob("/usr/lib/$file");
  SKIP: {
        skip "no $name here", 1 unless $library;
        subtest $name => sub {
            my $s = PST::Server->new("heap-$name", limits => $limits);
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
            if ($tells eq 'both') {
                cmp_ok($a->{heap_arenas}, '>', 1, 'it has arenas') if $name eq 'jemalloc';
                is(PST::fetch('/poolprobe?pool=none&heap=4000&heap_bytes=10000&heap_free=all', port => $s->port)->{status}, 200, '40 MB and freed');
                my $f = $now->(time, sub { 1 });
                cmp_ok(abs($f->{heap_in_use_bytes} - $a->{heap_in_use_bytes}), '<', 3 * $MB, 'what is freed is not in use');
            }
            is($s->stop, 0, 'stops in order');
        };
    }
}
done_testing;
