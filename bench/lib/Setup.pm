# SPDX-License-Identifier: Apache-2.0
#
# What every program of the bench needs first: its tools, its work directory, httpd.
package Setup;
use strict;
use warnings;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Server;

# The tools, or the line that gets them.
sub need {
    my %package = (valgrind => 'valgrind', ab => 'apache2-utils', h2load => 'nghttp2-client', cc => 'gcc',
                   taskset => 'util-linux', setpriv => 'util-linux');
    my %missing;
    for my $tool (keys %package) {
        $missing{$package{$tool}} = 1 unless grep { -x "$_/$tool" } split /:/, $ENV{PATH};
    }
    my @packages = sort keys %missing or return;
    if ($> == 0 && -x '/usr/bin/apt-get') {
        print STDERR "bench: installing @packages\n";
        return if system("apt-get install -y --no-install-recommends @packages >/dev/null") == 0;
    }
    die "bench: missing; install them as root with:\n    apt-get install @packages\n";
}

# Make the work directory and fill in %Server::env. Returns whether the module is there.
sub prepare {
    my ($top) = @_;
    my $build = $ENV{BUILD} || "$top/build/release";
    my $apxs = $ENV{APXS} || 'apxs';
    chomp(my ($sbin, $name, $modules) = map { `$apxs -q $_` } qw(SBINDIR PROGNAME LIBEXECDIR));
    $ENV{APR} ||= `$apxs -q APR_CONFIG` =~ s/\n//r;
    $ENV{APU} ||= `$apxs -q APU_CONFIG` =~ s/\n//r;
    -x "$sbin/$name" && -d $modules or die "bench: $apxs knows of no httpd\n";
    my $work = tempdir('poolstat-bench-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    chmod 0755, $work;
    mkdir "$work/htdocs";
    Server::write_file("$work/htdocs/small.txt", "hello world\n");
    Server::write_file("$work/mime.types", "text/plain txt\ntext/html html\n");
    for my $so (qw(mod_poolstat.so mod_poolprobe.so)) {
        copy("$build/$so", "$work/$so") if -f "$build/$so";
    }
    my ($cpu) = Server::read_file('/proc/self/status') =~ /^Cpus_allowed_list:\s*(?:.*[,-])?(\d+)$/m;
    my ($user) = grep { defined getpwnam $_ } qw(nobody daemon);
    %Server::env = (work => $work, modules => $modules, httpd => "$sbin/$name", so => "$work/mod_poolstat.so",
                    cpu => $cpu // 0, user => $user);
    Server::own($work);
    $ENV{TMPDIR} = $work;     # valgrind wants to write there too, as that user
    print STDERR "bench: work files in $work\n" if $ENV{KEEP};
    return Server::read_file($Server::env{so}) =~ /\0poolstat_module\0/;
}

1;
