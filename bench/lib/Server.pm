# SPDX-License-Identifier: Apache-2.0
#
# One private httpd for a measurement: its configuration, its start, its end.
#
# Variants of a server differ only in what %VARIANT says; the
# rest of the configuration is the same text. Nothing outside the work
# directory is written, and only processes started here are ended, by pid.
package Server;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep);

# Set by bench/run before the first new().
our %env = (work => undef, modules => undef, httpd => undef, so => undef, cpu => undef, user => undef);

# What a variant adds to the common configuration. @MODULES@ and @SO@ are
# filled in. No variant has a <Location>: walking one costs every request.
our %VARIANT = (
    plain   => '',
    control => '',
    on      => "LoadModule poolstat_module \@SO\@\nPoolStatInstrument On\n",
    prof64  => "LoadModule poolstat_module \@SO\@\nPoolStatInstrument On\nPoolStatProfile 64K\n",
    heapon  => "LoadModule poolstat_module \@SO\@\nPoolStatHeapProfile 512K\n",
    heapoff => "LoadModule poolstat_module \@SO\@\nPoolStatHeapProfile Off\n",
    off     => "LoadModule poolstat_module \@SO\@\nPoolStatInstrument Off\n",
    threads1000 => "LoadModule poolstat_module \@SO\@\nPoolStatCheck threads 1/1000\n",
    threads1 => "LoadModule poolstat_module \@SO\@\nPoolStatCheck threads 1/1\n",
    buckets => "LoadModule poolstat_module \@SO\@\nPoolStatCheck buckets\n",
    guard1000 => "LoadModule poolstat_module \@SO\@\nPoolStatInstrument On\nPoolStatCheck guard 1/1000\n",
    guard1  => "LoadModule poolstat_module \@SO\@\nPoolStatInstrument On\nPoolStatCheck guard 1/1\n",
    status  => "LoadModule status_module \@MODULES\@/mod_status.so\nExtendedStatus On\n",
    log     => "CustomLog \@WORK\@/access.log \"%h %l %u %t \\\"%r\\\" %>s %O\"\n",
);

# The modules that every variant has: the least that serves a file with a type.
my @COMMON = qw(authz_core authz_host mime dir log_config reqtimeout);

my $serial = 0;
my %running;     # pid => 1
my $owner = $$;  # not its children

# However the bench ends, none of its servers stays.
END {
    if ($$ == $owner) {
        local $?;
        kill 'TERM', keys %running if %running;
    }
}

# new(variant => ..., mpm => prefork|worker|event, h2c => 0|1, children => N,
#     threads => N, limits => "ServerLimit ...", extra => "more directives")
sub new {
    my ($class, %self) = @_;
    $self{dir} = sprintf '%s/server%d', $env{work}, ++$serial;
    for ($self{dir}, "$self{dir}/run") { mkdir $_ or die "$_: $!\n" }
    $self{port} = free_port();
    write_file("$self{dir}/httpd.conf", config(\%self));
    own($self{dir}, "$self{dir}/run", "$self{dir}/httpd.conf");
    return bless \%self, $class;
}

sub config {
    my ($s) = @_;
    my ($children, $threads) = ($s->{children} || 1, $s->{threads} || 4);
    my $sum = $children * $threads;
    my $text = <<"CONF";
ServerRoot $s->{dir}
ServerName localhost
DefaultRuntimeDir $s->{dir}/run
PidFile $s->{dir}/run/httpd.pid
ErrorLog $s->{dir}/error.log
Listen 127.0.0.1:$s->{port}
LoadModule mpm_$s->{mpm}_module \@MODULES\@/mod_mpm_$s->{mpm}.so
CONF
    # Debian builds some of them in.
    $text .= "LoadModule ${_}_module \@MODULES\@/mod_$_.so\n" for grep { -f "$env{modules}/mod_$_.so" } @COMMON;
    $text .= <<"CONF";
TypesConfig \@WORK\@/mime.types
DocumentRoot \@WORK\@/htdocs
MaxKeepAliveRequests 0
KeepAliveTimeout 300
<Directory />
    AllowOverride None
    Require all granted
</Directory>
CONF
    # All children start at once; there are never more.
    if ($s->{mpm} eq 'prefork') {
        $text .= "ServerLimit $children\nStartServers $children\nMinSpareServers $children\n"
               . "MaxSpareServers $children\nMaxRequestWorkers $children\n";
    } else {
        $text .= $s->{limits} || "ServerLimit $children\nThreadLimit $threads\nMaxRequestWorkers $sum\n"
                                 . "MinSpareThreads $sum\nMaxSpareThreads $sum\n";
        $text .= "ThreadsPerChild $threads\nStartServers $children\n";
    }
    $text .= "LoadModule http2_module \@MODULES\@/mod_http2.so\nProtocols h2c http/1.1\nH2Direct On\n"
        if $s->{h2c};
    $text .= $VARIANT{$s->{variant}} . ($s->{extra} || '');
    my %is = (WORK => $env{work}, MODULES => $env{modules}, SO => $env{so} || '');
    $text =~ s/\@(WORK|MODULES|SO)\@/$is{$1}/g;
    return $text;
}

# start(): one child in the foreground (-X) when callgrind => file is given or
# single => 1, a whole server otherwise. Returns once it accepts connections.
sub start {
    my ($s, %how) = @_;
    my @cmd = ($env{httpd}, '-d', $s->{dir}, '-f', "$s->{dir}/httpd.conf");
    push @cmd, $how{callgrind} || $how{single} ? '-X' : '-DFOREGROUND';
    unshift @cmd, 'valgrind', '--tool=callgrind', "--callgrind-out-file=$how{callgrind}", '--quiet',
        @{$how{options} || []} if $how{callgrind};
    # Not as root: callgrind writes its file after httpd has dropped its rights.
    unshift @cmd, as_user();
    # Client and server on one CPU: whether the next request has already arrived when the server looks for it
    # is then not left to chance.
    unshift @cmd, 'taskset', '-c', $env{cpu} if $how{callgrind};
    $s->{pid} = spawn("$s->{dir}/output", @cmd);
    $running{$s->{pid}} = 1;
    for (1 .. 600) {
        if (my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{port})) {
            close $c;
            return $s;
        }
        if (waitpid($s->{pid}, WNOHANG) == $s->{pid}) {
            delete $running{delete $s->{pid}};
            last;
        }
        sleep 0.05;
    }
    my $why = read_file("$s->{dir}/output") . read_file("$s->{dir}/error.log");
    die "the $s->{variant} server ($s->{mpm}) does not start:\n$why";
}

sub stop {
    my ($s) = @_;
    my $pid = delete $s->{pid} or return;
    kill 'TERM', $pid;
    for (1 .. 400) {
        if (waitpid($pid, WNOHANG) == $pid) {
            delete $running{$pid};
            return;
        }
        sleep 0.05;
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
    delete $running{$pid};
    die "the $s->{variant} server ($s->{mpm}) did not stop within 20 s\n";
}

sub url {
    my ($s, $path) = @_;
    return ($s->{tls} ? 'https' : 'http') . "://127.0.0.1:$s->{port}" . ($path || '/small.txt');
}

# CPU seconds that the children have used so far.
sub cpu {
    my ($s) = @_;
    my $ticks = 0;
    for my $pid (split ' ', read_file("/proc/$s->{pid}/task/$s->{pid}/children")) {
        my $stat = read_file("/proc/$pid/stat");
        $stat =~ s/^.*\) //s;
        my @f = split ' ', $stat;
        $ticks += $f[11] + $f[12];
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# A GET over a connection of its own; returns (status, body).
sub get {
    my ($s, $path) = @_;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{port}) or return (0, "$!");
    print $c "GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n";
    local $/;
    my $all = <$c> // '';
    my ($status) = $all =~ m{^HTTP/\S+ (\d+)};
    my ($body) = $all =~ /\r\n\r\n(.*)/s;
    return ($status || 0, $body // "");
}

# Lines of the error log that say a child died.
sub crashes {
    my ($s) = @_;
    return grep { /\bAH0005[12]\b|exit signal/ } split /\n/, read_file("$s->{dir}/error.log");
}

sub as_user {
    return () if $> != 0;
    my $gid = (getpwnam $env{user})[3];
    return ('setpriv', "--reuid=$env{user}", "--regid=$gid", '--clear-groups');
}

sub own {
    return if $> != 0;
    my (undef, undef, $uid, $gid) = getpwnam $env{user};
    chown $uid, $gid, @_;
}

# Start a command with its output in a file; returns the pid of that command itself.
sub spawn {
    my ($out, @cmd) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    { no warnings 'exec'; exec @cmd }
    POSIX::_exit(127);
}

# Run a client to its end; returns what it printed, dies if it failed.
sub client {
    my ($out, @cmd) = @_;
    waitpid spawn($out, @cmd), 0;
    my $status = $?;
    my $text = read_file($out);
    die "@cmd\n$text" if $status;
    return $text;
}

sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no port: $!\n";
    return $s->sockport;
}

sub write_file {
    my ($path, $text) = @_;
    open my $f, '>', $path or die "$path: $!\n";
    print $f $text;
    close $f or die "$path: $!\n";
}

sub read_file {
    my ($path) = @_;
    open my $f, '<', $path or return '';
    local $/;
    return <$f> // '';
}

1;
