# What make install brings is whole: a server of the installed files alone serves, the installed command reads
# its board, other modules compile with the installed headers. Each layout of configuration is read by httpd as it lies.
# What somebody changed is kept; make uninstall leaves nothing else.
use strict;
use warnings;
use File::Find ();
use File::Path qw(make_path remove_tree);
use PST;
use PST::Server;
use Test::More;

my $stage = PST::stage();
plan skip_all => 'once is enough' unless $stage->{first};

my $top = "$stage->{top}/t/logs/install";
remove_tree($top);
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL DESTDIR LAYOUT)};    # of the make that runs us

sub make {
    my @vars = @_;
    my $out = "$top/make.out";
    my $status = system "make -s -C '$stage->{source}' " . join(' ', map "'$_'", $stage->{san} ? 'SAN=1' : (), @vars) . " >$out 2>&1";
    return { status => $status >> 8, out => PST::Stage::read_file($out) };
}

sub ask { my ($what) = @_; chomp(my $v = `$stage->{apxs} -q $what`); return $v }

sub files {
    my ($dir) = @_;
    my @found;
    File::Find::find({ no_chdir => 1, wanted => sub { push @found, substr $_, length $dir if -l || -f } }, $dir) if -d $dir;
    return [ sort @found ];
}

# Folders of our own, where this stand-in for apxs says: where httpd's own are it would spoil the machine.
sub prefix {
    my ($name, @folders) = @_;
    my $prefix = "$top/$name";
    make_path($prefix, map("$prefix/etc/$_", @folders), { mode => 0755 });
    my %is = (BINDIR => 'bin', LIBEXECDIR => 'modules', INCLUDEDIR => 'include', MANDIR => 'share/man', SYSCONFDIR => 'etc/conf');
    PST::Stage::write_file("$prefix/apxs", join '', "#!/bin/sh\n", 'case "$*" in', "\n",
        map("'-q $_') echo '$prefix/$is{$_}' ;;\n", sort keys %is), qq{*) exec $stage->{apxs} "\$@" ;;\nesac\n});
    chmod 0755, "$prefix/apxs";
    return $prefix;
}

my @always = qw(bin/poolstat include/mod_poolstat.h include/poolstat_board.h include/poolstat_metrics.def include/poolstat_misuse.def modules/mod_poolstat.so
    share/bash-completion/completions/poolstat share/man/man1/poolstat.1);

sub installed { my ($prefix, @more) = @_; return [ sort map("/$_", @always, @more, 'apxs') ] }

# A server that knows of our module what it includes, and no more.
sub server {
    my ($name, @include) = @_;
    my $s = PST::Server->new($name);
    my $text = PST::Stage::read_file($s->conf);
    my $lines = join '', map "Include $_\n", @include;
    $text =~ s/^LoadModule poolstat_module .*\n/$lines/m or die 'no LoadModule';
    $text =~ s{^<Location /pool-status>.*?</Location>\n}{}ms or die 'no Location';
    PST::Stage::write_file($s->conf, $text);
    return $s;
}

make_path($top, { mode => 0755 });

subtest 'DESTDIR' => sub {
    my $r = make('install', "DESTDIR=$top/dest", "APXS=$stage->{apxs}", 'LAYOUT=debian');
    is($r->{status}, 0, 'installed') or return diag($r->{out});
    my ($bin, $modules, $include, $man, $etc) = map ask($_), qw(BINDIR LIBEXECDIR INCLUDEDIR MANDIR SYSCONFDIR);
    my %mode = map { $_ => 0644 } map("$include/$_", qw(mod_poolstat.h poolstat_board.h poolstat_metrics.def poolstat_misuse.def)),
        map("$etc/mods-available/poolstat.$_", qw(load conf)), "$man/man1/poolstat.1", $bin =~ s{/[^/]+$}{}r . '/share/bash-completion/completions/poolstat';
    @mode{"$bin/poolstat", "$modules/mod_poolstat.so"} = (0755) x 2;
    is_deeply(files("$top/dest"), [ sort keys %mode ], 'below it, where apxs says, and nothing else');
    is(sprintf('%o', (stat "$top/dest$_")[2] & 07777), sprintf('%o', $mode{$_}), "mode of $_") for sort keys %mode;
    is(PST::Stage::read_file("$top/dest$etc/mods-available/poolstat.load"), "LoadModule poolstat_module $modules/mod_poolstat.so\n",
        'what is loaded is where it will be');
    $r = make('uninstall', "DESTDIR=$top/dest", "APXS=$stage->{apxs}", 'LAYOUT=debian');
    is($r->{status}, 0, 'uninstalled') or diag($r->{out});
    is_deeply(files("$top/dest"), [], 'nothing is left');
    is(make('install', "DESTDIR=$top/dest", 'LAYOUT=solaris')->{status} > 0, 1, 'a layout that is none is refused');
    is_deeply(files("$top/dest"), [], 'before anything is installed');
};

my $debian = prefix('debian', 'conf/mods-available', 'conf/mods-enabled');
my $available = "$debian/etc/conf/mods-available";
my $enabled = "$debian/etc/conf/mods-enabled";
my @config = qw(etc/conf/mods-available/poolstat.load etc/conf/mods-available/poolstat.conf);

subtest 'a server of what is installed' => sub {
    my $r = make('install', "APXS=$debian/apxs");
    is($r->{status}, 0, 'installed') or return diag($r->{out});
    is_deeply(files($debian), installed($debian, @config), 'what there is');
    like($r->{out}, qr/a2enmod poolstat/, 'it says what is next');
    symlink "../mods-available/poolstat.$_", "$enabled/poolstat.$_" for qw(load conf);    # as a2enmod does
    my $s = server('installed', "$enabled/*.load", "$enabled/*.conf");
    ok($s->start, 'a server starts') or return diag($s->start_text . $s->log_text);
    my $text = $s->fetch('/pool-status?auto');
    is($text->{status}, 200, 'the configuration has the page');
    like($text->{body}, qr/^TotalHeldBytes: [1-9]/m, 'with figures');
    my ($child) = map $_->{pid}, @{ $s->json->{children} };
    my $maps = PST::Stage::read_file("/proc/$child/maps");
    like($maps, qr{ \Q$debian\E/modules/mod_poolstat\.so$}m, 'the module is the installed one');
    unlike($maps, qr{ \Q$stage->{top}\E/mod_poolstat\.so$}m, 'alone');
    my $json = PST::json_of(scalar `$debian/bin/poolstat json --pid $child`);
    is($json && $json->{children}[0]{pid}, $child, 'the installed command reads its board');
    is($s->stop, 0, 'the server ends');
    my ($version) = $text->{body} =~ m{^ServerModule: mod_poolstat/(\S+)}m;
    like(scalar `$debian/bin/poolstat --version`, qr/^poolstat \Q$version\E,/, 'both are of one version');
};

subtest 'for other modules' => sub {
    my @flags = ("-I$debian/include", '-I' . ask('INCLUDEDIR'), split ' ', `apr-1-config --cppflags --includes; apu-1-config --includes`);
    for my $file ("$stage->{source}/docs/example/mod_example_poolstat.c", map "$debian/include/$_", qw(mod_poolstat.h poolstat_board.h)) {
        is(system('cc', '-x', 'c', '-fsyntax-only', '-Wall', '-Werror', @flags, $file), 0, "$file compiles");
    }
};

subtest 'what was changed' => sub {
    PST::Stage::write_file("$available/poolstat.conf", "# mine\n");
    my $r = make('install', "APXS=$debian/apxs");
    is($r->{status}, 0, 'installed again') or diag($r->{out});
    is(PST::Stage::read_file("$available/poolstat.conf"), "# mine\n", 'is not overwritten');
    like($r->{out}, qr{\Q$available\E/poolstat\.conf stays}, 'which is said');
    $r = make('uninstall', "APXS=$debian/apxs");
    isnt($r->{status}, 0, 'what is enabled is not removed');
    like($r->{out}, qr/a2dismod poolstat/, 'but how it is disabled is said');
    ok(-e "$debian/modules/mod_poolstat.so", 'the module is there');
    unlink map "$enabled/poolstat.$_", qw(load conf);
    PST::Stage::write_file("$available/poolstat.load", "# mine\n");
    $r = make('uninstall', "APXS=$debian/apxs");
    is($r->{status}, 0, 'disabled, it is');
    is_deeply(files($debian), [ '/apxs', map "/etc/conf/mods-available/poolstat.$_", qw(conf load) ], 'but for what was changed');
    like($r->{out}, qr{\Q$available\E/poolstat\.$_ stays}, "which is said of .$_") for qw(load conf);
};

for my $layout ([ fedora => [qw(conf conf.modules.d conf.d)], qw(etc/conf.modules.d/10-poolstat.conf etc/conf.d/poolstat.conf) ],
    [ extra => ['conf'], qw(etc/conf/extra/poolstat.load etc/conf/extra/poolstat.conf) ]) {
    my ($name, $folders, @files) = @$layout;
    subtest "layout $name" => sub {
        my $prefix = prefix($name, @$folders);
        my $r = make('install', "APXS=$prefix/apxs");
        is($r->{status}, 0, 'installed') or return diag($r->{out});
        is_deeply(files($prefix), installed($prefix, @files), 'what there is');
        my $s = server("installed-$name", map "$prefix/$_", @files);
        my ($status, $said) = $s->check;
        is($status, 0, 'httpd takes it') or diag($said);
        is(make('uninstall', "APXS=$prefix/apxs")->{status}, 0, 'uninstalled');
        is_deeply(files($prefix), ['/apxs'], 'nothing is left');
    };
}
done_testing;
