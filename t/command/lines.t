# Names and lines of code, as poolstat --resolve tells them: of a module with debugging information, one whose
# debug file lies aside, one that kept its symbols, one that was stripped, one whose file was replaced; and of files that are none.
use strict;
use warnings;
use File::Temp ();
use PST;
use PST::Command;
use Test::More;

my $dir = File::Temp::tempdir(CLEANUP => 1);
chmod 0755, $dir;
plan skip_all => 'the same on every MPM: done on the first' unless PST::stage()->{first};
plan skip_all => 'no libdw here' if !grep { -e } map { glob } '/usr/lib/libdw.so.1 /usr/lib64/libdw.so.1 /usr/lib/*/libdw.so.1 /lib/*/libdw.so.1';
plan skip_all => lacks('objcopy', 'readelf', 'cc') if lacks('objcopy', 'readelf', 'cc');

sub run_or_die { system(@_) == 0 or die "@_: $?\n" }
sub slurp { open my $in, '<:raw', $_[0] or die "$_[0]: $!\n"; local $/; return scalar <$in> }

# the board's id of an object: FNV-1a of its build id, as core/os/pst_object.c makes it
sub id_of {
    my ($file) = @_;
    my ($build) = `readelf -n $file 2>/dev/null` =~ /Build ID: ([0-9a-f]+)/ or die "$file has no build id\n";
    my $hash = 0xcbf29ce484222325;
    use integer;
    $hash = ($hash ^ $_) * 0x100000001b3 for unpack 'C*', pack 'H*', $build;
    no integer;
    return sprintf '%x', $hash;
}

PST::Stage::write_file("$dir/leaky.c", <<'EOC');
#include <stdlib.h>

static __attribute__((noinline)) void *hidden_leak(unsigned n)
{
    void *p = malloc(n);
    __asm__ volatile("" : : "r"(p) : "memory");
    return p;                      /* line 7 */
}

void *leaky(unsigned n)
{
    void *p = hidden_leak(n);
    __asm__ volatile("" : : "r"(p) : "memory");
    return p;
}
EOC

sub build {
    my ($name, @more) = @_;
    run_or_die("cd $dir && cc -shared -fPIC -O1 @more -Wl,--build-id -o $name.so leaky.c");
    return "$dir/$name.so";
}

# offset of a function in an object that has its symbols still
sub offset_of {
    my ($file, $function) = @_;
    my ($at) = `nm $file` =~ /^([0-9a-f]+) [tT] \Q$function\E$/m or die "$file has no $function\n";
    return sprintf '%x', 4 + hex $at;
}

# answers, each [function, into, file, line]
sub resolve {
    my (@asked) = @_;
    PST::Stage::write_file("$dir/asked", join '', map "$_->[0] $_->[1] $_->[2]\n", @asked);
    my $program = program();
    my @lines = split /\n/, `timeout 30 $program --resolve <$dir/asked 2>$dir/said`;
    return map [ split /\t/, $_, -1 ], @lines;
}

my $whole = build('whole', '-g');
my ($hidden, $leaky) = map { offset_of($whole, $_) } qw(hidden_leak leaky);
my $id = id_of($whole);
my @a = resolve([ $id, $hidden, $whole ], [ $id, $leaky, $whole ]);
is($a[0][0], 'hidden_leak', 'a static function has its name');
is($a[0][1], '4', 'and how far into it');
like($a[0][2], qr/leaky\.c$/, 'and its file');
ok($a[0][3] >= 4 && $a[0][3] <= 7, "and its line: $a[0][3]");
is($a[1][0], 'leaky', 'an exported one, too');
ok($a[1][3] >= 11 && $a[1][3] <= 14, "with its line: $a[1][3]");

run_or_die("cd $dir && cp whole.so aside.so && objcopy --only-keep-debug whole.so aside.debug "
    . "&& objcopy --strip-all --remove-section=.gnu_debuglink --add-gnu-debuglink=aside.debug aside.so");
@a = resolve([ $id, $hidden, "$dir/aside.so" ]);
is($a[0][0], 'hidden_leak', 'the debug file aside: the name');
like($a[0][2], qr/leaky\.c$/, 'and the file');

run_or_die("cd $dir && cp whole.so symbols.so && objcopy --strip-debug symbols.so");
@a = resolve([ $id, $hidden, "$dir/symbols.so" ]);
is($a[0][0], 'hidden_leak', 'without debugging information, by .symtab');
is("$a[0][2]$a[0][3]", '0', 'there is no line');

SKIP: {
    skip 'no xz here', 1 if system('command -v xz >/dev/null') != 0;
    run_or_die("cd $dir && cp whole.so mini.debug && objcopy --strip-debug mini.debug && xz -f mini.debug && cp whole.so mini.so "
        . "&& objcopy --strip-all --add-section .gnu_debugdata=mini.debug.xz mini.so");
    @a = resolve([ $id, $hidden, "$dir/mini.so" ]);
    is($a[0][0], 'hidden_leak', 'by .gnu_debugdata');
}

run_or_die("cd $dir && cp whole.so bare.so && objcopy --strip-all bare.so");
@a = resolve([ $id, $leaky, "$dir/bare.so" ], [ $id, $hidden, "$dir/bare.so" ]);
is($a[0][0], 'leaky', 'stripped: what it exports has a name');
isnt($a[1][0], 'leaky', 'a static function is not called what lies near it');

my $other = build('other', '-g', '-DOTHER', '-fno-inline', '-O2');
isnt(id_of($other), $id, '(another build)');
@a = resolve([ $id, $hidden, $other ]);
is($a[0][0], '!', 'a file of another build says that it is');

# files that are none: answered in order, none waited for
system('mkfifo', "$dir/fifo");
mkdir "$dir/folder";
PST::Stage::write_file("$dir/garbage.so", "\x7fELF\x02\x01\x01" . "\xff" x 5000);
my $bytes = slurp($whole);
PST::Stage::write_file("$dir/cut.so", substr $bytes, 0, length($bytes) / 2);
my $began = time;
@a = resolve([ $id, $hidden, "$dir/fifo" ], [ $id, $hidden, "$dir/folder" ], [ $id, $hidden, "$dir/nowhere.so" ],
    [ $id, $hidden, "$dir/garbage.so" ], [ $id, $hidden, "$dir/cut.so" ], [ $id, 'ffffffffffff', $whole ], [ $id, $hidden, $whole ]);
is(scalar @a, 7, 'each is answered');
is(join('', map { $_->[0] } @a[ 0 .. 3 ]), '', 'a pipe, a folder, nothing, garbage: nothing');
is($a[5][0], '', 'an offset beyond the object: nothing');
is($a[6][0], 'hidden_leak', 'and the next one is right');
cmp_ok(time - $began, '<', 20, 'soon');

# what files may say
srand 7;
my ($alive, $tries) = (0, 60);
for my $n (1 .. $tries) {
    my $copy = $bytes;
    substr $copy, int rand length $copy, 1, chr int rand 256 for 1 .. 40;
    PST::Stage::write_file("$dir/spoiled.so", $copy);
    my @got = resolve([ $id, $hidden, "$dir/spoiled.so" ], [ $id, $leaky, "$dir/spoiled.so" ]);
    $alive++ if !grep { @$_ != 4 || "@$_" =~ /[\x00-\x08\x0b-\x1f\x7f]/ } @got;
}
is($alive, $tries, "$tries spoiled objects: nothing but lines of four fields comes out");
done_testing;
