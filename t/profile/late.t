# Objects that come late, and go: their calls are seen within seconds, and what comes to lie where another one lay is
# told by its own name.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'objects do not depend on the MPM' if mpm() ne 'event';
plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my $limits = "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nThreadLimit 4\nMinSpareThreads 1\nMaxSpareThreads 4\nMaxRequestWorkers 4\n";
# Both objects ask for one address, and the loader heeds it: which hole the kernel fills otherwise is chance.
my $s = PST::Server->new('late', limits => $limits, conf => "PoolStatHeapProfile 16K\n", env => { LD_USE_LOAD_BIAS => 1 });
chomp(my $cc = `apxs -q CC`);
PST::Stage::write_file("$s->{dir}/late.c", "#include <stdlib.h>\nconst char late_name[] = NAME;\nvoid *late_kept;\n__attribute__((noinline)) void late_keep(long count, size_t bytes)\n"
    . "{\n    while (count-- > 0) {\n        void **at = malloc(bytes);\n\n        *at = late_kept;\n        late_kept = at;\n    }\n}\n");
for my $name (qw(late-one late-two)) {
    # alike but for a text, so that they are not the same by their build id
    plan skip_all => 'no compiler' if system(qq($cc -DNAME='"$name"' -shared -fPIC -O1 -Wl,-Ttext-segment=0x100000000000 -o "$s->{dir}/$name.so" "$s->{dir}/late.c" 2>/dev/null)) != 0;
}
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

# live bytes of blocks that were taken in this object
sub by {
    my ($name) = @_;
    my $sum = 0;
    $sum += $_->{live_bytes} for grep { $_->{scope} eq 'heap' && ($_->{frames}[0]{module} // '') eq "$name.so" } @{ $s->json->{children}[0]{sites} };
    return $sum;
}
sub ask { my ($query) = @_; return $s->fetch("/poolprobe?$query")->{status} == 200 }
sub keep { my ($name, $n) = @_; return ask("late=$s->{dir}/$name.so&heap=$n&heap_bytes=4000") }
sub base { my ($name) = @_; return PST::Stage::read_file("/proc/" . $s->json->{children}[0]{pid} . "/maps") =~ /^([0-9a-f]+)-.*\Q$name\E\.so$/m ? $1 : '' }

my $tries = 0;
ok(wait_for(sub { keep('late-one', 100); $tries++; by('late-one') > 0 }, 20), "the calls of an object that came late are seen, at try $tries");
keep('late-one', 2000);
my $one  = by('late-one');
my $base = base('late-one');
cmp_ok($one, '>', 1500 * 4000, 'nearly all of them');

ok(ask('late_close=1'), 'it goes');
is(base('late-one'), '', 'really');
is(by('late-one'), $one, 'what it holds stays its own');
$tries = 0;
ok(wait_for(sub { keep('late-two', 100); $tries++; by('late-two') > 0 }, 20), "another one, which takes its place, is seen, at try $tries");
is(base('late-two'), $base, 'at the same address');
$one = by('late-one');
keep('late-two', 2000);
cmp_ok(by('late-two'), '>', 1500 * 4000, 'and told by its own name');
is(by('late-one'), $one, 'nothing by that of the one before');
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal|Assertion|AddressSanitizer/, 'no crash');
done_testing;
