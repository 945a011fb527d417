# The heap profile: who holds blocks of the heap, mappings and stacks, with live bytes within the error that sampling
# allows; what is freed is gone to the byte; three functions that take 70:20:10 come out so, in JSON and in pprof; what
# grows outside of pools is blamed on who holds it.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my $RATE   = 16384;
my $limits = mpm() eq 'prefork' ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\n";
my $s = PST::Server->new('heap-profile', limits => $limits, conf => "PoolStatProfile 16K\nPoolStatHeapProfile 16K\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

sub ask { my ($query) = @_; return is($s->fetch("/poolprobe?$query")->{status}, 200, $query) }

# sums over the sites of a scope that lead to a function
sub held {
    my ($function, $scope) = @_;
    my %sum = map { $_ => 0 } my @keys = qw(live_bytes live_samples live_sampled_bytes ever_bytes);
    for my $site (@{ $s->json->{children}[0]{sites} }) {
        next if $scope && $site->{scope} ne $scope || !grep { ($_->{function} // '') eq $function } @{ $site->{frames} };
        $sum{$_} += $site->{$_} for @keys;
    }
    return \%sum;
}

# One standard deviation of the estimate of n blocks that take so many bytes each, chosen by what was asked for.
sub deviation {
    my ($n, $taken, $asked) = @_;
    my $p = 1 - exp(-$asked / $RATE);
    return $taken / $p * sqrt($n * $p * (1 - $p));
}

sub within {
    my ($got, $n, $taken, $asked, $what, $more) = @_;
    my $off = $got - $n * $taken;
    my $may = 5 * deviation($n, $taken, $asked);
    ok($off >= -$may && $off <= $may + $n * ($more // 0), sprintf '%s: %d of %d, may be off by %d', $what, $got, $n * $taken, $may);
}

# glibc: the size of a block with its head, and what it may take beyond that
sub chunk { return aligned($_[0] + 8, 16) }

for my $case ([ malloc => 'heap' ], [ calloc => 'heap' ], [ realloc => 'heap' ], [ strdup => 'heap' ], [ memalign => 'heap', 112 ], [ mmap => 'mapped' ]) {
    my ($kind, $scope, $more) = @$case;
    subtest $kind => sub {
        my ($n, $bytes, $taken) = $kind eq 'mmap' ? (1000, 12000, 12288) : (8000, 4000, chunk(4000));
        my $before = held('poolprobe_keep', $scope);
        is($before->{live_samples}, 0, 'nothing is live');
        ask("keep=$kind&heap=$n&heap_bytes=$bytes");
        my $held = held('poolprobe_keep', $scope);
        within($held->{live_bytes}, $n, $taken, $kind eq 'mmap' ? $taken : $bytes, 'live bytes', $more);
        cmp_ok($held->{ever_bytes} - $before->{ever_bytes}, '>=', $held->{live_bytes}, 'ever at least as many');
        is(held('poolprobe_keep')->{live_bytes}, $held->{live_bytes}, 'in no other scope');
        my ($site) = grep { $_->{scope} eq $scope } @{ $s->json->{children}[0]{sites} };
        is(scalar(grep { $_->{module} =~ /^mod_poolstat/ } @{ $site->{frames} }), 0, 'nothing of ours on the stack');
        ok((grep { ($_->{function} // '') eq 'ap_run_handler' } @{ $site->{frames} }), 'but httpd');
        is($site->{frames}[ $kind eq 'strdup' ]{function}, 'poolprobe_keep', 'the function itself');
        is($site->{frames}[ $kind eq 'strdup' ]{module}, 'mod_poolprobe.so', 'in its module');
        my $profile = $s->fetch("/pool-status/profile?of=$scope")->{body};
        my $live = 0;
        $live += $1 while $profile =~ /^\s*\d+:\s+(\d+) \[/mg;
        cmp_ok($live, '>=', $held->{live_bytes}, 'the profile of that scope has them');
        ask('let_go=1');
        my $after = held('poolprobe_keep', $scope);
        is($after->{$_}, 0, "afterwards: $_") for qw(live_bytes live_samples live_sampled_bytes);
        is($after->{ever_bytes}, $held->{ever_bytes}, 'ever stays');
    };
}

subtest 'threads' => sub {
    my $usual = `sh -c "ulimit -s"` =~ m{^(\d+)$} ? $1 * 1024 : undef;
    ask('keep=thread&heap=20');
    my $held = held('poolprobe_keep', 'stack');
    is($held->{live_samples}, 20, 'each is charged to who started it');
    is($held->{live_bytes}, 20 * $usual, 'with the size of its stack') if $usual;
    is(held('poolprobe_keep', 'mapped')->{live_bytes}, 0, 'and not as a mapping too');
    ask('let_go=1');
    ok(wait_for(sub { held('poolprobe_keep', 'stack')->{live_samples} == 0 }, 10), 'they ended');
    is(held('poolprobe_keep', 'stack')->{live_bytes}, 0, 'not a byte stays');
};

my %share = (poolprobe_seventy => 7, poolprobe_twenty => 2, poolprobe_ten => 1);
for my $case ([ pool => 'process', 8192, 'pools' ], [ malloc => 'heap', chunk(8152), 'heap' ], [ mmap => 'mapped', 8192, 'mapped' ]) {
    my ($kind, $scope, $taken, $of) = @$case;
    subtest "70:20:10 by $kind" => sub {
        my $tens = $kind eq 'mmap' ? 200 : 400;      # a child has room for 1024 sampled mappings
        my $asked = $kind eq 'malloc' ? 8152 : $taken;
        ask("truth=$kind&heap=@{[ 10 * $tens ]}&heap_bytes=8152");
        my %held = map { $_ => held($_, $scope)->{live_bytes} } keys %share;
        within($held{$_}, $share{$_} * $tens, $taken, $asked, $_) for sort keys %share;
      SKIP: {
            skip lacks('google-pprof'), 1 if lacks('google-pprof');
            my $file = "$s->{dir}/$of.txt";
            PST::Stage::write_file($file, $s->fetch("/pool-status/profile?of=$of")->{body});
            my $program = stage()->{httpd};
            my $text = `google-pprof --text $program $file 2>/dev/null`;
            # of each function and what is inlined into it
            my %mb = map { /^\s*[\d.]+\s+[\d.]+%\s+[\d.]+%\s+([\d.]+)\s+[\d.]+%\s+(\w+)\s*$/ ? ($2 => $1) : () } split /\n/, $text;
            for (sort keys %share) {
                cmp_ok(abs(($mb{$_} // 0) - $held{$_} / 1048576), '<=', 0.11, "google-pprof: $_, @{[ $mb{$_} // 'none' ]} MB") or diag($text);
            }
        }
        ask('let_go=1');
        is(held($_, $scope)->{live_bytes}, 0, "$_: given back") for $kind eq 'pool' ? () : sort keys %share;
    };
}
is($s->stop, 0, 'stops');

# What grows is blamed, at the defaults, on who holds it: a block a request, a mapping each 20th, a thread each 10th.
$s = PST::Server->new('heap-verdicts', limits => $limits);
ok($s->start, 'a server at the defaults') or BAIL_OUT($s->start_text . $s->log_text);
my ($begun, $n, %named, $child) = (time, 0);
while (keys %named < 3 && time < $begun + 150) {
    $s->fetch('/poolprobe?keep=malloc&heap=1&heap_bytes=50000&output=2');
    $s->fetch('/poolprobe?keep=mmap&heap=1&heap_bytes=2097152&output=2') if $n % 20 == 0;
    $s->fetch('/poolprobe?keep=thread&heap=1&output=2') if $n % 10 == 5;
    sleep 0.05;
    next if ++$n % 20;
    $child = $s->json->{children}[0];
    for (qw(heap mapped stack)) {
        my $v = $child->{verdict}{$_};
        $named{$_} //= int(time - $begun) if $v->{state} eq 'growing' && ($v->{site} // '') =~ /^mod_poolprobe\.so poolprobe_keep\b/;
    }
}
for (qw(heap mapped stack)) {
    ok($named{$_}, "$_ grows, by the probe's function" . ($named{$_} ? ": after $named{$_} s" : '')) or diag(explain($child->{verdict}{$_}));
}
is($s->fetch('/poolprobe?let_go=1')->{status}, 200, 'all is let go');
is($s->stop, 0, 'stops');
done_testing;
