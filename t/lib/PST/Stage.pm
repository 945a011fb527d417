# SPDX-License-Identifier: Apache-2.0
#
# What a staged tree knows about itself: t/conf/stage.json, written by t/suite.
package PST::Stage;
use strict;
use warnings;
use Cwd ();
use File::Basename ();
use JSON::PP ();

my $top = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
my $stage;

sub read_file {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

sub write_file {
    my ($path, $text) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $text or die "$path: $!\n";
    close $out or die "$path: $!\n";
}

sub load {
    $stage //= do {
        my $s = JSON::PP::decode_json(read_file("$top/t/conf/stage.json"));
        $s->{top} = $top;
        $s;
    };
    return $stage;
}

# LoadModule lines for this MPM. mod_cgi forks from the child itself (also a
# threaded one), mod_cgid from a daemon of its own: event has the daemon.
sub load_modules {
    my ($s) = @_;
    my @names = (qw(authn_core authz_core authz_host alias mime dir headers env setenvif status rewrite
        http2 proxy proxy_http reqtimeout unixd), $s->{mpm} eq 'event' ? 'cgid' : 'cgi');
    my $text = "LoadModule mpm_$s->{mpm}_module $s->{libexec}/mod_mpm_$s->{mpm}.so\n";
    for my $name (@names) {
        my $file = "$s->{libexec}/mod_$name.so";
        $text .= "LoadModule ${name}_module $file\n" if -e $file;    # unixd is built in on Debian
    }
    $text .= "LoadModule poolstat_module $s->{top}/mod_poolstat.so\n";
    $text .= "LoadModule poolprobe_module $s->{top}/mod_poolprobe.so\n";
    return $text;
}

# Wait, at most three seconds, until the kernel has no open connection of this port's server. httpd 2.4.71's event
# MPM crashes now and then when it is stopped at the moment when a worker closes a connection (close_worker_sockets()
# reads a socket whose pool another thread frees): 3 of 150 stops without mod_poolstat. Tests of our module must not
# depend on that.
sub quiet_port {
    my ($port) = @_;
    my $local = sprintf '0100007F:%04X', $port;
    for (1 .. 300) {
        my $open = grep { my @f = split; @f > 3 && $f[1] eq $local && $f[3] !~ /^(?:0A|06)$/ } split /\n/, read_file('/proc/net/tcp');
        last unless $open;
        select undef, undef, undef, 0.01;
    }
    select undef, undef, undef, 0.01;    # closed is not yet freed
}

1;
