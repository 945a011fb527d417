# A graceful restart brings another build of the module, whose retained data has another layout: the parent, root, reads nothing of what
# the other build kept.
use strict;
use warnings;
use File::Copy ();
use PST;
use PST::Server;
use Test::More;

my $stage  = stage();
my $source = $stage->{source};
my ($object) = glob "$source/build/obj/httpd/mod_poolstat_process.o";
plan skip_all => 'no objects of the build' if !$object || $stage->{san};
my ($cc, $flags) = map { my $v = `apxs -q $_`; chomp $v; $v } qw(CC CFLAGS);
my $dir = "$stage->{top}/t/logs/upgrade";
mkdir $dir;

# The other build: the same sources, with something in front of all that the parent keeps.
my $code = PST::Stage::read_file("$source/httpd/mod_poolstat_process.c");
ok($code =~ s/^typedef struct \{\n(?=    pst_board_t board;)/typedef struct {\n    char other[4096];\n/m, 'a struct with another layout');
PST::Stage::write_file("$dir/mod_poolstat_process.c", $code);
my @includes = map { "-I$source/$_" } 'include', 'httpd', map { s{^\Q$source\E/}{}r } grep { -d } glob "$source/core/*";
my $apr = join ' ', map { my $v = `apxs -q $_`; chomp $v; $v =~ /^\// ? "-I$v" : $v } qw(INCLUDEDIR EXTRA_INCLUDES EXTRA_CPPFLAGS);
my $out = `$cc -std=gnu11 -O1 -fPIC -fvisibility=hidden @includes $apr -c -o $dir/process.o $dir/mod_poolstat_process.c 2>&1`;
ok(-e "$dir/process.o", 'compiles') or BAIL_OUT($out);
my @objects = grep { !m{/httpd/mod_poolstat_process\.o$} } glob "$source/build/obj/mod_poolstat.o $source/build/obj/httpd/*.o "
  . "$source/build/obj/core/*/*.o $source/build/obj/web_files.o";
$out = `$cc -shared -o $dir/other.so @objects $dir/process.o -lpthread -ldl -lm 2>&1`;
ok(-e "$dir/other.so", 'links') or BAIL_OUT($out);

# as a package does it: the old file stays what it is for those who have it mapped
sub swap_in {
    my ($from) = @_;
    File::Copy::copy($from, "$dir/new.so") or die "copy: $!\n";
    chmod 0755, "$dir/new.so";
    rename "$dir/new.so", "$dir/mod_poolstat.so" or die "rename: $!\n";
}

swap_in("$stage->{top}/mod_poolstat.so");
my $s = PST::Server->new('upgrade');
my $conf = PST::Stage::read_file($s->conf);
$conf =~ s{^LoadModule poolstat_module .*$}{LoadModule poolstat_module $dir/mod_poolstat.so}m;
PST::Stage::write_file($s->conf, $conf);
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my $parent = $s->pid;
for my $round (1 .. 4) {
    swap_in($round % 2 ? "$dir/other.so" : "$stage->{top}/mod_poolstat.so");
    ok($s->graceful, "restart $round, with another build") or last;
    ok($s->answers(15), 'answers');
    my @children;
    ok(wait_for(sub { my $j = eval { $s->json } or return 0; @children = @{ $j->{children} }; @children && !grep { $_->{level} ne 'full' } @children }, 15),
        'its children are on the board');
    is($s->fetch("/pool-status")->{status}, 200, 'the page');
}
is($s->pid, $parent, 'it is the same parent');
is($s->stop, 0, 'stops');
unlike($s->log_text, qr/exit signal|PST0002/, 'no crash, a board each time');
done_testing;
