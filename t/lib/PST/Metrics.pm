# SPDX-License-Identifier: Apache-2.0
#
# The metrics face, read as Prometheus reads it, and a Prometheus of our own.
#
#   my $m = PST::Metrics->parse($text);     # dies with the line that is wrong
#   $m->value('poolstat_held_bytes', block => 3);
#   my $p = PST::Metrics::Prometheus->start(dir => , config => );
#   $p->query('sum(poolstat_held_bytes)');  # [ { metric, value }, ... ]
package PST::Metrics;
use strict;
use warnings;
use PST ();

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;

sub fetch {
    my ($class, %o) = @_;
    my $accept = $o{open} ? ['Accept: application/openmetrics-text; version=1.0.0'] : [];
    my $r = PST::fetch('/pool-status/metrics' . ($o{query} ? "?$o{query}" : ''), headers => $accept, port => $o{port});
    die "the metrics face answered $r->{status}\n" if $r->{status} != 200;
    return $class->parse($r->{body}, $o{open});
}

# Families in order, each { name, type, help, unit, samples }; samples are [ name, labels, value ].
sub parse {
    my ($class, $text, $open) = @_;
    my (@families, %family, %sample, $now, $ended);
    die "no newline at the end\n" if $text !~ /\n\z/;
    for (split /\n/, $text) {
        die "something behind # EOF: $_\n" if $ended;
        if (/^# EOF$/ && $open) { $ended = 1; next }
        if (/^# HELP ($name) (.+)$/) {
            die "a family twice: $1\n" if $family{$1}++;
            push @families, $now = { name => $1, help => $2, samples => [] };
        }
        elsif (/^# TYPE ($name) (counter|gauge|histogram|info)$/ && $now && $1 eq $now->{name}) { $now->{type} = $2 }
        elsif (/^# UNIT ($name) (\w+)$/ && $open && $now && $1 eq $now->{name}) {
            $now->{unit} = $2;
            die "a unit that the name lacks: $_\n" if $1 !~ /_\Q$2\E$/;
        }
        elsif (/^($name)(?:\{(.*)\})? (\d+(?:\.\d+)?)$/ && $now && $now->{type}) {
            my ($sample, $labels, $value) = ($1, $2 // '', $3);
            my $suffix = $now->{type} eq 'histogram' ? '_(?:bucket|sum|count)' : $now->{type} eq 'info' ? '_info'
              : $now->{type} eq 'counter' && $open ? '_total' : '';
            die "a sample of no family: $_\n" if $sample !~ /^\Q$now->{name}\E$suffix$/;
            my %label;
            while ($labels =~ s/^($name)="((?:[^"\\]|\\["\\n])*)"(?:,(?=.)|$)//) {
                my ($key, $text) = ($1, $2);
                die "a label twice: $_\n" if exists $label{$key};
                $label{$key} = $text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
            }
            die "labels: $_\n" if length $labels;
            my $key = join "\0", $sample, map { ($_, $label{$_}) } sort keys %label;
            die "a sample twice: $_\n" if $sample{$key}++;
            push @{ $now->{samples} }, [ $sample, \%label, $value ];
        }
        else { die "no line of this format: $_\n" }
    }
    die "no # EOF\n" if $open && !$ended;
    return bless { families => \@families }, $class;
}

sub families { @{ $_[0]{families} } }
sub samples  { map @{ $_->{samples} }, $_[0]->families }

# Samples of a name whose labels have these values.
sub find {
    my ($self, $sample, %want) = @_;
    return grep {
        my $s = $_;
        $s->[0] eq $sample && !grep { ($s->[1]{$_} // '') ne $want{$_} } keys %want;
    } $self->samples;
}

# The sum of their values; undef if there are none.
sub value {
    my ($self, @which) = @_;
    my @found = $self->find(@which) or return undef;
    my $sum = 0;
    $sum += $_->[2] for @found;
    return $sum;
}

# The figures of the table, by key: { group, kind, unit, level, prom }.
sub table {
    my %figure;
    for (split /\n/, PST::Stage::read_file(PST::stage()->{top} . '/t/include/poolstat_metrics.def')) {
        $figure{$2} = { group => lc $1, kind => lc $3, unit => lc $4, level => lc $5, prom => $6 }
          if /^PST_METRIC_(\w+)\((\w+), (\w+), (\w+), (\w+), "(\w+)"/;
    }
    return \%figure;
}

# Differences between a child of the JSON face and the samples of its block. Meant for a child that does nothing.
sub disagreements {
    my ($self, $child) = @_;
    my $table = table();
    my %short = map { my $short = s/^child_//r; ($_ => exists $child->{$_} ? $_ : $short) } keys %$table;
    my ($block, $compared, @wrong) = ($child->{block}, 0);
    my $compare = sub {
        my ($json, $value, $what) = @_;
        $compared++;
        push @wrong, "$what: JSON has $json, metrics " . ($value // 'nothing') if !defined $value || $value != $json;
    };
    for my $key (sort keys %$table) {
        my ($f, $json) = ($table->{$key}, $child->{ $short{$key} });
        next if !defined $json || ref $json || $key =~ /^(?:class|site)_|^(?:bucket_bytes|retained_bytes|requests)$/;
        next if $f->{kind} =~ /histogram|info/ || $key =~ /^(?:process|connections|requests)_reserved_bytes$/;
        next if $key eq 'requests_peak_bytes' || $key eq 'growths';    # below; those of connections have none
        $compare->($json, $self->value($f->{prom}, block => $block), "$key of the child") if $key ne 'peak_bytes';
    }
    $compare->($child->{process}{$_}, $self->value($table->{$_}{prom}, block => $block, scope => 'process'), "$_ of the process scope")
      for keys %{ $child->{process} };
    for my $kind (qw(client secondary backend)) {
        my @c = grep { $_->{kind} eq $kind } @{ $child->{connections} };
        for my $key (qw(pools reserved_bytes slack_bytes)) {
            my ($request, $whole) = (0, 0);
            $request += $_->{request}{$key} for grep $_->{request}, @c;
            $whole   += $_->{$key} for @c;
            my @which = ($table->{$key}{prom}, block => $block, kind => $kind);
            $compare->($request, $self->value(@which, scope => 'request'), "$key of $kind requests");
            $compare->($whole, $self->value(@which), "$key of $kind connections");
        }
        for my $key (qw(bucket_bytes retained_bytes)) {
            my $sum = 0;
            $sum += $_->{$key} for @c;
            $compare->($sum, $self->value($table->{$key}{prom}, block => $block, kind => $kind), "$key of $kind connections");
        }
    }
    my $sum = 0;
    for my $bucket (@{ $child->{request_sizes}{buckets} }) {
        $sum += $bucket->{requests};
        my $le = defined $bucket->{up_to_bytes} ? "$bucket->{up_to_bytes}.0" : '+Inf';
        $compare->($sum, $self->value('poolstat_request_peak_bytes_bucket', block => $block, le => $le), "requests up to $le");
    }
    $compare->($child->{request_sizes}{requests}, $self->value('poolstat_request_peak_bytes_count', block => $block), 'requests');
    $compare->($child->{requests_peak_bytes}, $self->value('poolstat_request_peak_bytes_sum', block => $block), 'their peaks');
    push @wrong, "only $compared figures compared" if $compared < 50;
    return @wrong;
}

# ---- a Prometheus on loopback, with its own storage ----

package PST::Metrics::Prometheus;
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use POSIX ();

my @all;

# Start and wait until it is ready; without a pid if it ended.
# config => text of prometheus.yml; files => { name => text } next to it
sub start {
    my ($class, %o) = @_;
    my $dir  = PST::stage()->{top} . "/t/logs/prometheus-$$";
    my $self = bless { dir => $dir, port => $o{port} // PST::Server::_free_port() }, $class;
    remove_tree($dir);
    make_path($dir);
    PST::Stage::write_file("$dir/$_", $o{files}{$_}) for keys %{ $o{files} // {} };
    PST::Stage::write_file("$dir/prometheus.yml", $o{config});
    push @all, $self;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec 'prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/data",
          "--web.listen-address=127.0.0.1:$self->{port}", '--log.level=info' or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    my $ready = PST::wait_for(sub {
        return 'dead' if waitpid($pid, POSIX::WNOHANG) == $pid;
        return PST::fetch('/-/ready', port => $self->{port}, timeout => 5)->{status} == 200;
    }, 30);
    delete $self->{pid} if $ready && $ready eq 'dead';
    return $self;
}

sub log_text { my ($self) = @_; return -e "$self->{dir}/log" ? PST::Stage::read_file("$self->{dir}/log") : '' }

sub api {
    my ($self, $path) = @_;
    my $r = PST::fetch("/api/v1/$path", port => $self->{port}, timeout => 20);
    my $json = PST::json_of($r->{body}) or return { status => "HTTP $r->{status}" };
    return $json;
}

sub _encoded { my ($text) = @_; utf8::encode($text) if utf8::is_utf8($text); return $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger }

# The result of an instant query; dies with Prometheus's message if it fails.
sub query {
    my ($self, $query, $time) = @_;
    my $r = $self->api('query?query=' . _encoded($query) . (defined $time ? "&time=$time" : ''));
    die "$query: " . ($r->{error} // $r->{status}) . "\n" if $r->{status} ne 'success';
    return $r->{data}{result};
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill TERM => $pid;
    if (!PST::wait_for(sub { waitpid($pid, POSIX::WNOHANG) == $pid }, 15)) {
        kill KILL => $pid;
        waitpid $pid, 0;
    }
    remove_tree("$self->{dir}/data");
}

END {
    local ($@, $?, $!);
    $_->stop for @all;
}

1;
