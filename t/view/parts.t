# The parts heap and other of a child's books open into the modules that hold them: in JSON, on the page below the picture
# and below the chart, with the same figures; off where the heap profile is.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'the same on every MPM' if mpm() ne 'event';
plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my $s = PST::Server->new('parts', conf => "ServerName main.example\nPoolStatHeapProfile 16K\nPoolStatControl On\n",
    limits => "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
$s->fetch("/poolprobe?$_") for 'keep=malloc&heap=2000&heap_bytes=8000', 'keep=mmap&heap=40&heap_bytes=1048576';

my $parts;
my $there = wait_for(sub {
    my $c = $s->json->{children}[0];
    $parts = $c->{parts};
    return $parts->{heap} && $parts->{other} && $parts->{heap}{bytes} > 16e6 && $parts->{other}{bytes} > 40e6;
}, 60);
ok($there, 'the books know both parts') or diag(explain($parts));

for my $of ([ heap => 2000 * 8016, 2e6 ], [ other => 40 * 1048576, 1e6 ]) {
    my ($which, $bytes, $off) = @$of;
    my $p = $parts->{$which};
    my $first = $p->{modules}[0];
    is($first->{module}, 'mod_poolprobe.so', "$which: the probe holds most");
    like($first->{site}, qr/^mod_poolprobe\.so poolprobe_keep\b/, 'at this function');
    cmp_ok(abs($first->{live_bytes} - $bytes), '<', $off, "so many bytes: $first->{live_bytes} of $bytes");
    my ($sum, $sorted, $last) = ($p->{others_bytes}, 1);
    for (@{ $p->{modules} }) {
        $sum += $_->{live_bytes};
        $sorted &&= !defined $last || $_->{live_bytes} <= $last;
        $last = $_->{live_bytes};
        cmp_ok($_->{site_bytes}, '<=', $_->{live_bytes}, "$_->{module}: its largest call site is part of it");
    }
    ok($sorted, 'most first');
    is($sum, $p->{live_bytes}, 'all add up');
    is($p->{unknown_bytes}, $p->{bytes} > $p->{live_bytes} ? $p->{bytes} - $p->{live_bytes} : 0, 'the rest is not known');
    my $mine = 0;
    for my $site (@{ $s->json->{children}[0]{sites} }) {
        $mine += $site->{live_bytes} if $site->{scope} eq ($which eq 'heap' ? 'heap' : 'mapped') && ($site->{blamed} // '') eq 'mod_poolprobe.so';
    }
    is($first->{live_bytes}, $mine, 'what its call sites hold');
}

my $page = $s->fetch('/pool-status')->{body};
for my $label ('Heap in use', 'Other') {
    my @all = $page =~ m{<details class="parts"><summary><b>$label</b> of child \d+: ([^<]*)</summary>(.*?)</details>}gs;
    is(scalar @all / 2, 2, "$label opens below the picture and below the chart");
    is("$all[0]$all[1]", "$all[2]$all[3]", 'alike');
    like($all[0], qr/MiB, most of it mod_poolprobe\.so: \d+\.\d MiB$/, 'the first line tells most of it');
    like($all[1], qr{<bdi>mod_poolprobe\.so</bdi>.*mod_poolprobe\.so poolprobe_keep}s, 'then the modules, with their largest call sites');
}
like($s->fetch('/pool-status?auto')->{body}, qr/^Child\.1\.parts\.heap\.modules.*module: mod_poolprobe\.so$|Child.*[Pp]arts.*mod_poolprobe\.so/m, 'the text has it, too');

my $body = 'nonce=' . $s->json->{server}{release_nonce} . '&rate=Off';
is($s->fetch('/pool-status/heap-profile', method => 'POST', body => $body, headers => [ 'Content-Length: ' . length $body ])->{status}, 200, 'switched off');
my $c = $s->json->{children}[0]{parts};
is_deeply($c, { heap => undef, other => undef }, 'nothing is known then');
unlike($s->fetch('/pool-status')->{body}, qr/<details class="parts">/, 'nor opened');
is($s->stop, 0, 'stops');
done_testing;
