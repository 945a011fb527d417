# make/deps on machines that have little: on each, a PATH with the tools that its script uses and a stand-in for apt-get that
# writes down what it is asked. All that is missing is told in one round, in whatever order it would arrive.
# And make run starts from a checkout that httpd's children cannot reach.
use strict;
use warnings;
use IO::Socket::INET;
use File::Path qw(make_path remove_tree);
use POSIX ();
use PST;
use Test::More;

my $stage = PST::stage();
plan skip_all => 'once is enough' unless $stage->{first};

my $top = "$stage->{top}/t/logs/deps";
remove_tree($top);
make_path($top, { mode => 0755 });

my %tool = map { my $name = $_; map { ("$_/$name" => $name) x !!-x "$_/$name" } split /:/, $ENV{PATH} }
    qw(sh cat tr sed rm mktemp tee tail ls grep chmod);
my @build = qw(gcc libc6-dev apache2-dev libncurses-dev libdw-dev);

# apt_says => names that apt-cache knows
sub machine {
    my ($name, %o) = @_;
    my $dir = "$top/$name";
    make_path("$dir/bin");
    symlink $_, "$dir/bin/$tool{$_}" for keys %tool;
    my $script = sub {
        my ($program, $text) = @_;
        PST::Stage::write_file("$dir/bin/$program", "#!/bin/sh\n$text");
        chmod 0755, "$dir/bin/$program";
    };
    $script->('id', 'echo ' . ($o{uid} // 0) . "\n");
    $script->('apt-get', qq(echo "\$*" >>$dir/apt\n) . ($o{apt} // ''));
    $script->('apt-cache', 'case "$3" in ' . join('|', @{ $o{apt_says} }) . ") ;; *) exit 1 ;; esac\n") if $o{apt_says};
    $script->($_, $o{programs}{$_}) for keys %{ $o{programs} || {} };
    return $dir;
}

sub deps {
    my ($dir, $groups, @env) = @_;
    my $out = `cd $stage->{source} && env -i PATH=$dir/bin DYGRAPHS=$dir/none.js LIB=$dir/lib POLICY=$dir/policy @env sh make/deps $groups 2>&1`;
    my $status = $? >> 8;
    my $asked = -e "$dir/apt" ? PST::Stage::read_file("$dir/apt") : '';
    return ($status, $out, $asked);
}
# words of a command line that are packages
sub packages { return join ' ', sort grep { !/^-|^(?:install|apt-get|update|&&)$/ } split ' ', $_[0] }

my @all = (@build, qw(libjs-dygraphs apache2-bin apache2-utils curl nghttp2-client));
{
    my $dir = machine('user', uid => 1000, apt_says => [qw(libc6 libmimalloc3 gdb)]);
    my ($status, $out, $asked) = deps($dir, 'build run');
    is($status, 1, 'a user of a bare machine: status 1');
    my ($line) = $out =~ /^    (apt-get update && apt-get install .*)$/m;
    ok($line, 'is told a line, with an update in front') or diag($out);
    is(packages($line // ''), join(' ', sort @all), 'that names all, the server too, in one round');
    is($asked, '', 'apt is not asked');
    ($status, $out) = deps($dir, 'build run test');
    ($line) = $out =~ /^    (apt-get update && .*)$/m;
    like($line // '', qr/ libmimalloc3\b/, 'what is merely wanted has the name of this release');
    unlike($line // '', qr/tcmalloc|\|/, 'or is left out, if it has none');
}
{
    my $dir = machine('no-lists', uid => 1000, apt_says => ['nothing']);
    my ($status, $out) = deps($dir, 'test');
    like($out, qr/^    for p in .*'libmimalloc3 \| libmimalloc2\.0' .*; do apt-get satisfy /m, 'without lists apt chooses the name');
}
{
    my $dir = machine('root', apt_says => [qw(libc6 gdb)]);
    my ($status, $out, $asked) = deps($dir, 'build run test');
    is($status, 0, 'root: done');
    my @lines = split /\n/, $asked;
    is(scalar @lines, 1, 'by one call of apt-get');
    my %is = map { $_ => 1 } split ' ', packages($lines[0] // '');
    is_deeply([ grep !$is{$_}, @all, qw(gdb libapache2-mod-perl2) ], [], 'with all of it');
    like($out, qr{^not installed, so tests are skipped: libmimalloc3/libmimalloc2\.0$}m, 'what this release does not have is told');
}
{
    # an apt-get that cannot have what is wanted
    my $dir = machine('broken', apt_says => [qw(libc6 gdb)], apt => qq{case "\$*" in *gdb*) exit 100 ;; esac\n});
    my ($status, $out, $asked) = deps($dir, 'run test');
    is($status, 0, 'what is merely wanted stops nothing');
    like((split /\n/, $asked)[-1], qr/ apache2-bin /, 'the rest is installed without it');
    like($out, qr/^not installed, so tests are skipped: gdb$/m, 'which is told');
}
{
    my $dir = machine('apxs', uid => 1000, apt_says => ['libc6'],
        programs => { map { $_ => "case \"\$2\" in SBINDIR) echo $top/apxs/sbin ;; PROGNAME) echo httpd ;; esac\n" } qw(apxs other-apxs) });
    my ($status, $out) = deps($dir, 'run');
    like($out, qr/install .* apache2-bin /, 'an apxs without its server: that is missing');
    make_path("$dir/sbin");
    ($status, $out) = deps($dir, 'run', "APXS=$dir/bin/other-apxs");
    is($status, 1, "another httpd's apxs without its server");
    like($out, qr{^APXS=\S+ is of the httpd \Q$dir\E/sbin/httpd, which is not there$}m, 'is told as that');
    unlike($out, qr/apt-get/, 'and is not sent to apt');
    PST::Stage::write_file("$dir/sbin/httpd", '');
    chmod 0755, "$dir/sbin/httpd";
    ($status, $out) = deps($dir, 'run', "APXS=$dir/bin/other-apxs");
    unlike($out, qr/apache2-bin/, 'with it, nothing of apache2-bin');
    ($status, $out) = deps($dir, 'run', "APXS=$dir/bin/no-apxs");
    like($out, qr{^APXS=\S+: there is no such program$}m, 'an APXS that is not there');
}

SKIP: {
    skip 'for root, whose children run as nobody', 3 if $>;
    my $dir = "$top/private";
    make_path("$dir/build");
    chmod 0700, $dir;
    for my $of (qw(make conf)) { system('cp', '-r', "$stage->{source}/$of", $dir) == 0 or die "cp: $?\n" }
    for my $so (qw(mod_poolstat.so mod_poolprobe.so)) { system('cp', "$stage->{top}/$so", "$dir/build") == 0 or die "cp: $?\n" }
    my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$top/run.out";
        open STDERR, '>&', \*STDOUT;
        %ENV = (%ENV, PORT => $port, MPM => $stage->{mpm}, TRAFFIC => 'no', APXS => $stage->{apxs});
        exec 'sh', "$dir/make/run/run", "$dir/build" or POSIX::_exit(127);
    }
    my $says = sub { PST::Stage::read_file("$top/run.out") };
    ok(PST::wait_for(sub { -e "$top/run.out" && $says->() =~ m{^    http://127\.0\.0\.1:$port/pool-status$}m
        || waitpid($pid, POSIX::WNOHANG()) }, 60) && kill(0, $pid), 'make run starts from a folder that keeps nobody out')
        or diag($says->());
    is(PST::fetch('/small.html', port => $port)->{status}, 200, 'and serves its file');
    kill TERM => $pid;
    waitpid $pid, 0;
    is($? >> 8, 0, 'until it is told to stop');
}
done_testing;
