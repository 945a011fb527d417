# SPDX-License-Identifier: Apache-2.0
#
# A second httpd, for what would disturb the one that all tests share: other directives, restarts, killed
# children. Its files are in t/logs/servers/NAME of the staged tree; it runs in the foreground as our child,
# and is stopped by its pid.
#
#   my $s = PST::Server->new('file', conf => "PoolStatFile x.board\n");
#   $s->start or BAIL_OUT...; $s->json; $s->graceful; $s->stop;
package PST::Server;
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use POSIX ();
use PST ();
use Time::HiRes qw(time sleep);

my @all;

sub new {
    my ($class, $name, %o) = @_;
    my $stage = PST::stage();
    my $dir   = "$stage->{top}/t/logs/servers/$name";
    remove_tree($dir);
    make_path("$dir/run", { mode => 0755 });
    mkdir "$dir/cores";
    chmod 01777, "$dir/cores";
    my $self = bless { name => $name, dir => $dir, stage => $stage, flags => $o{flags} // [],
        wrap => $o{wrap} // [], env => $o{env} // {} }, $class;
    $self->{port} = $o{port} // _free_port();
    $self->write_conf(%o);
    push @all, $self;
    return $self;
}

sub _free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!\n";
    return $s->sockport;
}

# conf => directives of its own; show => '': request lines as they are shown by default, else whole, since tests know theirs by the query; limits => instead of these; cores => 0: as production servers are, without CoreDumpDirectory,
# which makes children dumpable: those that have changed their user may not read all of /proc/self then
sub write_conf {
    my ($self, %o) = @_;
    my ($stage, $dir) = @$self{qw(stage dir)};
    my $user = $> == 0 ? "User nobody\nGroup " . getgrgid((getpwnam 'nobody')[3]) . "\n" : '';
    my $limits = $o{limits} // ($stage->{mpm} eq 'prefork'
        ? "StartServers 4\nMinSpareServers 2\nMaxSpareServers 10\nServerLimit 20\nMaxRequestWorkers 10\n"
        : "StartServers 2\nServerLimit 8\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\n"
          . "MaxSpareThreads 40\nMaxRequestWorkers 20\n");
    my $cores = $o{cores} // 1 ? qq(CoreDumpDirectory "$dir/cores"\n) : '';
    my $show = exists $o{show} ? $o{show} : 'PoolStatShow line';
    # after the modules: some tests remove ours from them
    my $ours = "<IfModule poolstat_module>\n    PoolStatSymbols Off\n    $show\n" . ($ENV{CHECK} ? "    PoolStatCheck $ENV{CHECK}\n" : '') . "</IfModule>\n";
    my $cgid = $stage->{mpm} eq 'event' ? "ScriptSock $dir/run/cgisock\n" : '';
    PST::Stage::write_file($self->conf, join '', <<"EOT", PST::Stage::load_modules($stage), $user, $cores, $cgid, $limits, $ours, <<'EOT2', $o{conf} // '');
ServerRoot "$dir"
DefaultRuntimeDir "$dir/run"
PidFile "$dir/httpd.pid"
ErrorLog "$dir/error_log"
LogLevel info
ServerName 127.0.0.1:$self->{port}
Listen 127.0.0.1:$self->{port}
TypesConfig /dev/null
DocumentRoot "$stage->{top}/t/htdocs"
EOT
Timeout 30
KeepAliveTimeout 30
MaxKeepAliveRequests 0
GracefulShutdownTimeout 5
<Location /pool-status>
    SetHandler pool-status
    Require local
</Location>
<Location /poolprobe>
    SetHandler poolprobe
</Location>
EOT2
}

sub conf  { "$_[0]{dir}/httpd.conf" }
sub start_servers { return PST::Stage::read_file($_[0]->conf) =~ /^StartServers (\d+)/m ? $1 : undef }
sub port  { $_[0]{port} }
sub pid   { $_[0]{pid} }
sub board { "$_[0]{dir}/run/poolstat.board" }

sub log_text {
    my ($self) = @_;
    return -e "$self->{dir}/error_log" ? PST::Stage::read_file("$self->{dir}/error_log") : '';
}

# What the server prints at startup, before it has a log.
sub start_text {
    my ($self) = @_;
    return -e "$self->{dir}/start_log" ? PST::Stage::read_file("$self->{dir}/start_log") : '';
}

# httpd -t: (status, what it printed)
sub check {
    my ($self) = @_;
    my $out = `$self->{stage}{httpd} -t -d $self->{dir} -f @{[ $self->conf ]} 2>&1`;
    return ($? >> 8, $out);
}

# Start and wait until it answers. @flags: instead of -D FOREGROUND
sub start {
    my ($self, @flags) = @_;
    @flags = ('-D', 'FOREGROUND') unless @flags;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/start_log";
        open STDERR, '>&', \*STDOUT;
        $ENV{$_} = $self->{env}{$_} for keys %{ $self->{env} };
        exec @{ $self->{wrap} }, $self->{stage}{httpd}, '-d', $self->{dir}, '-f', $self->conf, @flags, @{ $self->{flags} }
          or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    return $self->answers(20);
}

# Has our httpd ended? If so, its status.
sub ended {
    my ($self) = @_;
    return 1 unless $self->{pid};
    return 0 unless waitpid($self->{pid}, POSIX::WNOHANG) == $self->{pid};
    $self->{status} = $?;
    delete $self->{pid};
    return 1;
}

sub answers {
    my ($self, $seconds) = @_;
    return PST::wait_for(sub {
        return 0 if $self->ended;
        my $r = PST::fetch('/poolprobe?output=2', port => $self->{port}, timeout => 5);
        return $r->{status} == 200;
    }, $seconds) && $self->{pid};
}

sub fetch { my ($self, $path, %o) = @_; return PST::fetch($path, port => $self->{port}, %o) }
sub json  { my ($self, %o) = @_; return PST::json_now(port => $self->{port}, %o) }

sub signal { my ($self, $signal) = @_; return $self->{pid} ? kill $signal, $self->{pid} : 0 }

# Restart gracefully and wait until the log shows the new generation.
sub graceful {
    my ($self, $signal) = @_;
    my $seen = () = $self->log_text =~ /resuming normal operations/g;
    $self->signal($signal // 'USR1') or return 0;
    return PST::wait_for(sub {
        return 0 if $self->ended;
        my $now = () = $self->log_text =~ /resuming normal operations/g;
        return $now > $seen;
    }, 20);
}

# Stop it: the exit status as wait() gives it, or undef if it did not stop.
sub stop {
    my ($self, $signal) = @_;
    return $self->{status} unless $self->{pid};
    PST::Stage::quiet_port($self->{port}) unless $signal;
    $self->signal($signal // 'TERM');
    if (!PST::wait_for(sub { $self->ended }, 20)) {
        kill KILL => -$self->{pid};
        waitpid $self->{pid}, 0;
        delete $self->{pid};
        return undef;
    }
    return $self->{status};
}

# The parent's own children: pids, by /proc. cgid's daemon is one of them.
sub child_pids {
    my ($self) = @_;
    my $pid = $self->{pid} or return;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $stat or next;
        my $line = <$in> // next;
        push @found, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) /s && $2 == $pid;
    }
    return sort { $a <=> $b } @found;
}

# Stop a child, so that nothing in it changes, until thaw(). All its threads must be stopped before anybody
# connects: a thread still awake would be the only one woken for that connection, and then never accept it.
my %frozen;

sub freeze {
    my ($pid) = @_;
    $frozen{$pid} = 1;
    kill STOP => $pid;
    PST::wait_for(sub {
        return !grep { my $stat = eval { PST::Stage::read_file($_) } // ''; $stat !~ /\) [TX]/ } glob "/proc/$pid/task/*/stat";
    }, 5);
}

# The same at a moment when no thread is between two figures of the books: what answered a moment ago may be ending.
sub freeze_at_rest {
    my ($self, $pid) = @_;
    return PST::wait_for(sub {
        freeze($pid);
        my $child = PST::child_of($self->json, $pid);
        my $classes = 0;
        $classes += $_->{reserved_bytes} for @{ $child->{classes} };
        return 1 if $classes == $child->{reserved_bytes};
        thaw($pid);
        return 0;
    }, 10);
}

# End all of these without notice; one of them is the parent. Children go first: stopped ones whose parent is
# gone get SIGHUP and continue, and httpd's children then exit in an orderly way.
sub kill_all {
    my ($parent, @pids) = @_;
    my %is_above = map { $_ => 1 } @$parent;
    @pids = grep !$is_above{$_}, @pids;
    kill STOP => @$parent, @pids;    # otherwise the parent would replace them
    kill KILL => @pids;
    PST::wait_for(sub { !grep { _is_there($_) } @pids });
    kill KILL => @$parent;
}

# Not a zombie: a stopped parent does not wait for its children.
sub _is_there {
    my $stat = eval { PST::Stage::read_file("/proc/$_[0]/stat") } // return 0;
    return $stat !~ /\) [ZX]/;
}

sub thaw { kill CONT => $_ for grep { delete $frozen{$_} } @_ ? @_ : keys %frozen }

# Resident bytes that a process does not share.
sub rss {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/status" or return 0;
    while (<$in>) { return $1 * 1024 if /^RssAnon:\s+(\d+) kB/ }
    return 0;
}

# Bounded load in the background, by ab, until load_end(); returns ab's pid.
sub load {
    my ($self, $path, $clients, $seconds) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', "$self->{dir}/load.$$";
        open STDERR, '>&', \*STDOUT;
        exec 'ab', '-q', '-r', '-k', '-n', 10_000_000, '-t', $seconds, '-c', $clients,
          "http://127.0.0.1:$self->{port}$path" or POSIX::_exit(127);
    }
    push @{ $self->{loads} }, $pid;
    return $pid;
}

sub load_end {
    my ($self) = @_;
    for my $pid (splice @{ $self->{loads} || [] }) {
        kill INT => $pid;
        waitpid $pid, 0;
    }
}

END {
    local ($@, $?, $!);
    thaw();
    for my $s (@all) {
        eval { $s->load_end };
        eval { $s->stop };
    }
}

1;
