# Page, text, JSON, metrics and the command show the same numbers of one frozen board: every figure of
# include/poolstat_metrics.def, of every thing that a face shows, by its own cell. A figure that a face does not show
# stands in %without: a new one without a face fails here.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Figures;
use PST::Frozen;
use PST::Metrics;
use PST::Server;
use Test::More;

# What a face does not show, by thing: figures, or * for the thing as a whole.
my @class_counters = qw(class_pools_created class_pools_left class_pools_destroyed class_lifetime_seconds);
my @releases  = qw(releases release_allocators_bytes release_heap_bytes released_time);
my @books     = qw(board_bytes books_time books_cost heap_time heap_cost maps_time maps_cost books_put_off);
my @told      = qw(cleanups_registered child_reserved_bytes child_peak_time pools_created pools_destroyed pools_cleared connections_opened unslotted_connections
    unslotted_opened requests_new requests_new_open grown_new_bytes grown_again_bytes unattributed_bytes requests_unsized requests_unnamed requests_own requests_peak_bytes largest_missed guarded_nodes quarantine_bytes lingering_bytes withheld_bytes samples_lost allocators allocators_kept_bytes max_free_bytes
    unbalanced_bytes overbooked_bytes balance_time slack_late_bytes slack_early_bytes);
my @of_kernel = qw(rss_bytes private_dirty_bytes swap_bytes heap_in_use_bytes heap_free_bytes heap_arenas file_bytes shmem_bytes stack_bytes
    data_bytes other_bytes unexplained_bytes not_resident_bytes);
my @released  = map "released_$_", qw(seconds allocators_bytes heap_bytes emptied busy rss_before_bytes rss_after_bytes);
my %without = (
    json    => { server => ['blocks'], child => ['child_start_time'] },
    text    => { server => ['blocks'], child => ['child_start_time'], site => '*', 'total site' => '*' },
    page    => {
        # its notes tell of what is wrong, its findings of limits, a table of children that were lost
        server  => [qw(blocks server_start_time homeless_children memory_limit_bytes children_limit child_limit_bytes child_limit_pss threads_per_child children children_lost children_lost_large children_lost_oom)],
        # its verdicts are sentences; times and costs stand together in one title
        child   => [ qw(child_start_time child_instrumented growths), grep(!/^allocators/, @told), @books, @releases ],
        process => [qw(pools used_bytes slack_bytes peak_bytes growths growing)],
        unslotted => '*', class => '*', site => '*', sizes => '*',
        total   => [qw(growths child_peak_bytes pools_created pools_destroyed connections_opened unslotted_connections private_dirty_bytes heap_in_use_bytes heap_free_bytes)],
        connection    => [qw(growths growing)],
        request       => [qw(used_bytes slack_bytes growths growing)],
        'total class' => [qw(class_pools_left class_lifetime_seconds class_growing)],
        'total site'  => [qw(site_live_sampled_bytes site_ever_sampled_bytes site_left_bytes site_left_samples site_left_sampled_bytes site_kept_samples)],
        generation    => [ map "generation_$_", qw(started ended children_ended children_lost process_start_first_bytes process_start_sum_bytes
            process_start_max_bytes process_end_sum_bytes process_end_max_bytes private_start_first_bytes private_start_sum_bytes
            private_start_max_bytes private_end_sum_bytes private_end_max_bytes children_measured rss_start_sum_bytes rss_start_max_bytes
            rss_end_sum_bytes rss_end_max_bytes lives_judged lives_rising lives_gained_bytes lives_requests) ],
    },
    # sums are PromQL's; no counter or peak of what is short-lived, nothing by generation or call site
    metrics => {
        child      => [qw(pools reserved_bytes used_bytes slack_bytes growths connections_reserved_bytes requests_reserved_bytes)],
        connection => [qw(peak_bytes growths requests)], request => [qw(peak_bytes growths)], unslotted => [qw(peak_bytes growths)],
        total => '*', 'total sizes' => '*', generation => '*', site => '*', 'total site' => '*', 'total class' => '*',
    },
    'metrics of all' => { 'total class' => \@class_counters, class => '*' },
    command => {
        server     => [qw(blocks server_start_time homeless_children memory_limit_bytes children_limit child_limit_bytes child_limit_pss threads_per_child children children_lost children_lost_large children_lost_oom)],
        child      => [ qw(child_start_time child_instrumented growths used_bytes slack_bytes), @told, @books, @of_kernel, @releases, @released ],
        total      => [qw(reserved_bytes used_bytes slack_bytes growths child_peak_bytes pools_created pools_destroyed connections_opened
            pss_bytes private_dirty_bytes heap_in_use_bytes heap_free_bytes)],
        connection => [qw(slack_bytes growths retained_bytes growing)], request => [qw(pools slack_bytes peak_bytes growths used_bytes growing)],
        process    => [qw(pools used_bytes slack_bytes peak_bytes growths growing)],
        map { ($_ => '*') } qw(unslotted class site sizes generation findings), 'total class', 'total site', 'total sizes',
    },
    doctor  => { map { ($_ => '*') } qw(server total child process unslotted connection request class site sizes generation), 'total class', 'total site', 'total sizes' },
);
# the table without its connections, and one screen with a connection's figures
$without{top}   = { %{ $without{command} }, connection => ['growing'], request => ['growing'] };
# gauges: its rates are 0 where nothing moves
$without{watch} = { %{ $without{doctor} }, findings => '*', total => [ grep !/^(?:held_bytes|reserved_bytes|child_retained_bytes|connections_open|requests_finished|pools_created|growths)$/,
    qw(children connections_open pools reserved_bytes used_bytes slack_bytes growths process_reserved_bytes connections_reserved_bytes requests_reserved_bytes
    child_bucket_bytes child_retained_bytes held_bytes child_peak_bytes pools_created pools_destroyed connections_opened requests_finished unslotted_connections
    pss_bytes private_dirty_bytes heap_in_use_bytes heap_free_bytes) ] };
$without{'metrics of all'} = { %{ $without{metrics} }, %{ $without{'metrics of all'} } };
$without{'page of all'} = { %{ $without{page} }, child => [qw(child_start_time child_instrumented child_peak_time books_time heap_time maps_time released_time balance_time)] };
# of these a face shows some, the largest
my %some = (map({ ($_ => { 'total class' => 15, 'total site' => 12 }) } 'page', 'page of all'), top => { connection => 1, request => 1 });

sub kind_of { my ($thing) = @_; return $thing =~ /^(findings|server|total(?: [a-z]+)?|[a-z]+)/ ? $1 : die "what is $thing?\n" }

# Compare a face with what is true. Each figure, once; whatever is not shown is in %without, and whatever is in it is not shown.
sub agrees {
    my ($name, $face, $true, $shown) = @_;
    my (@wrong, %seen, %there, %things);
    my ($compared, $without) = (0, $without{$face} // die "no face is called $face\n");
    for my $thing (sort keys %$true) {
        my $kind = kind_of($thing);
        my $has  = $shown->{$thing};
        $things{$kind}++ if $has;
        for my $figure (sort keys %{ $true->{$thing} }) {
            my $key = "$kind: $figure";
            $there{$key}++;
            next if !defined $true->{$thing}{$figure};
            my $value = $has ? $has->{$figure} : undef;
            if (!defined $value) {
                push @wrong, "$thing: $figure is missing" if $has && $seen{$key} && !grep { $figure eq $_ } ref $without->{$kind} ? @{ $without->{$kind} } : ();
                next;
            }
            $seen{$key}++;
            $compared++;
            my $differs = PST::Figures::differ($figure, $true->{$thing}{$figure}, $value);
            push @wrong, "$thing: $figure: $differs" if $differs;
        }
        push @wrong, "$thing is not there" if !$has && !$some{$face}{$kind} && $without->{$kind} ne '*';
    }
    # other processes: only metrics sum them up, once the parent has looked, which it does every ten seconds; t/doctor/relatives.t compares them
    for my $thing (sort keys %$shown) {
        push @wrong, "$thing: " . (exists $true->{$thing} ? $_ : 'it') . ' is nowhere else' for grep { !/^relatives?(?:_|$)/ } grep { !exists $true->{$thing} || !exists $true->{$thing}{$_} } sort keys %{ $shown->{$thing} };
    }
    for my $key (sort keys %there) {
        my ($kind, $figure) = split /: /, $key;
        my $out = !ref $without->{$kind} ? ($without->{$kind} // '') eq '*' : scalar grep { $figure eq $_ } @{ $without->{$kind} };
        push @wrong, "$key is shown nowhere, and not said to be left out" if !$seen{$key} && !$out;
        push @wrong, "$key is said to be left out, but is shown" if $seen{$key} && $out;
    }
    for my $kind (sort keys %$without) {
        push @wrong, map "$kind: $_ is said to be left out, but there is no such figure", grep { !$there{"$kind: $_"} } ref $without->{$kind} ? @{ $without->{$kind} } : ();
    }
    for my $kind (sort keys %{ $some{$face} // {} }) {
        my $all = grep { kind_of($_) eq $kind } keys %$true;
        my $want = $all < $some{$face}{$kind} ? $all : $some{$face}{$kind};
        push @wrong, "$kind: " . ($things{$kind} // 0) . " are there, not $want" if ($things{$kind} // 0) != $want;
    }
    is(join("\n", splice @wrong, 0, 30), '', "$name: $compared figures");
}

# as many children at once as are wanted: all of them release, and httpd has no reason to start or end one
my $limits = mpm() eq 'prefork' ? "StartServers 8\nMinSpareServers 1\nMaxSpareServers 20\nServerLimit 20\nMaxRequestWorkers 20\n"
  : "StartServers 2\nServerLimit 8\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 80\nMaxRequestWorkers 40\n";
my $s = PST::Server->new('agree');
$s->write_conf(limits => $limits, conf => <<"EOT");
ServerName main.example
PoolStatControl On
PoolStatConnections 4
MaxMemFree 8192
ProxyPass /far http://127.0.0.1:@{[ $s->port ]}/poolprobe
EOT
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);

# ---- traffic, so that no figure is what another one is ----
$s->fetch("/poolprobe?pool=$_") for 'request&bytes=40000', 'request&bytes=3000000&pieces=3', 'child&bytes=123457', 'connsub&bytes=77000&pieces=5', 'buckets&bytes=50000';
my $nonce = $s->json->{server}{release_nonce};
is($s->fetch('/pool-status/release', method => 'POST', body => "nonce=$nonce", headers => [ 'Content-Type: application/x-www-form-urlencoded',
    'Content-Length: ' . length "nonce=$nonce" ])->{status}, 200, 'memory is released');
is($s->fetch('/poolprobe?pool=none&heap=400&heap_bytes=21000&heap_free=pinned&output=2')->{status}, 200, 'a heap with something free in it');
# the connection to the backend first: it shall have one of the few slots
my @p = PST::Probe->start('pool=request&bytes=1500000', port => $s->port, ask => $s->port, path => '/far');
$p[0]->arrived('hold');
push @p, map { PST::Probe->start("pool=$_", port => $s->port, ask => $s->port, path => '/poolprobe') } 'request&bytes=5000001', 'connection&bytes=300000&pieces=3', 'connsub&bytes=70000&pieces=40', 'buckets&bytes=2000000&pieces=2',
  mpm() eq 'prefork' ? () : map "request&bytes=${_}0000", 11 .. 17;
$_->arrived('hold') for @p;
wait_for(sub {
    my @children = @{ $s->json->{children} };
    return !(grep { !$_->{books_time} || !$_->{heap_time} || !$_->{maps_time} } @children) && grep { $_->{heap_free_bytes} } @children;
}, 15);

my $frozen = PST::Frozen->new($s);
ok($frozen, 'nothing moves on the board any more, and httpd answers') or do { diag($s->log_text); done_testing; exit };

my $json = $s->json;
my ($true, $names, $kinds) = PST::Figures::json($json);
my $parent = $json->{server}{parent_pid};
my %blocks  = map { ($_->{block} => $_->{pid}) } @{ $json->{children} };

# ---- what JSON says is whole: what it cannot say is asked of the board, and of the metrics ----
my %face = map { ($_ => PST::Metrics->fetch(open => $_, port => $s->port, query => 'classes=block')) } 0, 1;
{
    my $m = PST::Figures::metrics($face{0}, \%blocks);
    $true->{server}{blocks} = PST::Frozen::blocks($s->board);
    $true->{"child $_"}{child_start_time} = $m->{"child $_"}{child_start_time} for values %blocks;
    for my $c (@{ $json->{children} }) {
        my $started = $json->{server}{time} - $c->{age_seconds};
        cmp_ok(abs($started - $m->{"child $c->{pid}"}{child_start_time}), '<', 0.002, "child $c->{pid} started when it says");
    }
}
subtest 'the situation' => sub {
    is(join(' ', sort map { /^(\w+) / ? $1 : () } map { $kinds->{$_} . ' ' } keys %$kinds) =~ /backend.*client/ ? 'yes' : 'no', 'yes', 'connections of several kinds');
    cmp_ok($true->{total}{$_}, '>', 0, $_) for grep !/unslotted/, keys %{ $true->{total} };
    cmp_ok($true->{total}{unslotted_connections}, '>', 0, 'and connections without a slot') if mpm() ne 'prefork';
    my %by;
    $by{$_}++ for values %{ $true->{total} };
    cmp_ok(scalar keys %by, '>=', 0.7 * keys %{ $true->{total} }, 'sums that are apart');
    like($true->{findings}{findings}, qr/warning [1-9]/, 'a finding');
};

subtest 'totals are sums over the children' => sub {
    my @pids = values %blocks;
    cmp_ok(scalar @pids, '>=', 2, 'of some children');
    for my $figure (sort keys %{ $true->{total} }) {
        my $sum = 0;
        $sum += $figure eq 'children' ? 1 : $figure eq 'process_reserved_bytes' ? $true->{"process $_"}{reserved_bytes} : $true->{"child $_"}{$figure} for @pids;
        is($true->{total}{$figure}, $sum, $figure);
    }
    my %sum;
    for my $pid (@pids) { $sum{ $_->[0] } += $_->[1] for map [ split /:/ ], split / /, $true->{"sizes $pid"}{request_peak_bytes} }
    is($true->{'total sizes'}{request_peak_bytes}, join(' ', map "$_:$sum{$_}", sort { ($a eq '+Inf') <=> ($b eq '+Inf') || $a <=> $b } keys %sum), 'sizes of requests');
    my $by_name = PST::Figures::as_metrics($true, $names, $kinds);
    for my $class (grep /^total class /, sort keys %$by_name) {
        my @of = grep defined, map $by_name->{ $class =~ s/^total class/class $_/r }, @pids;
        for my $figure (grep !/mean|growing/, sort keys %{ $by_name->{$class} }) {
            my $is = 0;
            for (map $_->{$figure}, @of) { $is = $figure =~ /largest|max/ ? $_ > $is ? $_ : $is : $is + $_ }
            is($by_name->{$class}{$figure}, PST::Figures::as_figure($figure, $is), "$class: $figure");
        }
    }
};

# what the issue promises by name
is($json->{schema}, 1, 'the schema is 1');
for my $c (@{ $json->{children} }) {
    my @missing = grep { !exists $c->{$_} } qw(pid generation instrumented reserved_bytes process connections);
    push @missing, grep { !exists $c->{process}{$_} } qw(pools reserved_bytes);
    for my $r (@{ $c->{connections} }) {
        push @missing, grep { !exists $r->{$_} } qw(id kind state client vhost protocol age_seconds requests pools reserved_bytes
            used_bytes peak_bytes bucket_bytes retained_bytes request);
        push @missing, map "request.$_", grep { $r->{request} && !exists $r->{request}{$_} } qw(line handler age_seconds pools
            reserved_bytes peak_bytes);
    }
    is("@missing", '', "child $c->{pid} has every key");
}

# ---- httpd's faces ----
sub of { my ($what) = @_; my $f = eval { $what->() }; is($@, '', 'a face of its form') if $@; return $f // {} }
agrees('JSON', 'json', { %$true }, scalar PST::Figures::json($json));
agrees('text', 'text', $true, of(sub { PST::Figures::text($s->fetch('/pool-status?auto&rows=1000')->{body}) }));
agrees('page', 'page', $true, of(sub { PST::Figures::page($s->fetch('/pool-status?rows=1000')->{body}) }));
agrees('page with ?level=debug', 'page of all', $true, of(sub { PST::Figures::page($s->fetch('/pool-status?rows=1000&level=debug')->{body}) }));
my $as_metrics = PST::Figures::as_metrics($true, $names, $kinds);
agrees(('metrics', 'OpenMetrics')[$_], 'metrics', $as_metrics, of(sub { PST::Figures::metrics($face{$_}, \%blocks) })) for 0, 1;
for my $open (0, 1) {
    agrees(('metrics', 'OpenMetrics')[$open] . ' with classes of all', 'metrics of all', $as_metrics,
        of(sub { PST::Figures::metrics(PST::Metrics->fetch(open => $open, port => $s->port), \%blocks) }));
}

# ---- the command's ----
my @at = ('--pid', $parent);
agrees('poolstat json', 'json', $true, of(sub { scalar PST::Figures::json(poolstat_json(@at)) }));
agrees('poolstat text', 'text', $true, of(sub { PST::Figures::text(poolstat('text', @at, '--limit', 1000)->{out}) }));
agrees('poolstat metrics', 'metrics of all', $as_metrics, of(sub { PST::Figures::metrics(PST::Metrics->parse(poolstat('metrics', @at)->{out}), \%blocks) }));
agrees('poolstat metrics --openmetrics', 'metrics of all', $as_metrics,
    of(sub { PST::Figures::metrics(PST::Metrics->parse(poolstat('metrics', @at, '--openmetrics')->{out}, 1), \%blocks) }));
agrees('poolstat', 'command', $true, of(sub { PST::Figures::command(poolstat(@at, '--limit', 1000)->{out}) }));
# of each level no figure less than there is, and none more
for my $level (qw(detail debug)) {
    my $table = PST::Metrics::table();
    my %of_all = map { ($_->{pid} => $_) } @{ poolstat_json(@at)->{children} };
    my ($said, $compared, @wrong) = (poolstat(@at, '--level', $level)->{out}, 0);
    for my $pid (sort keys %of_all) {
        my ($list) = $said =~ /^Child $pid: (.*)$/m or push @wrong, "nothing of $pid";
        my %shown = map { /^(\w+) (\S+)$/ ? ($1, $2) : () } split /, /, $list // '';
        for my $key (sort grep { $table->{$_}{group} =~ /^(?:child|books)$/ } keys %$table) {
            my $short = $key eq 'child_reserved_bytes' ? $key : $key =~ s/^child_//r;
            my $wanted = $level eq 'debug' || $table->{$key}{level} ne 'debug' ? $of_all{$pid}{$short} : undef;
            $compared++;
            push @wrong, "$pid $short: " . ($shown{$short} // 'nothing') . ', not ' . ($wanted // 'nothing')
              if defined $wanted ? !defined $shown{$short} || $shown{$short} != $wanted : defined $shown{$short};
        }
    }
    is(join("\n", @wrong), '', "poolstat --level $level: $compared figures");
    cmp_ok($compared, '>=', 60, 'all of them');
}
agrees('poolstat doctor', 'doctor', $true, of(sub { PST::Figures::doctor(poolstat('doctor', @at)->{out}) }));
{
    my $shown = of(sub { PST::Figures::watch(poolstat('watch', @at, '--count', 1, '--interval', 0.1)->{out}) });
    my %rates = map { ($_ => delete $shown->{total}{$_}) } qw(requests_finished pools_created growths);
    is($rates{$_}, '0.0', "watch: $_ stands still") for sort keys %rates;
    agrees('poolstat watch', 'watch', { %$true, total => { map { ($_ => $true->{total}{$_}) } grep { !exists $rates{$_} } keys %{ $true->{total} } } }, $shown);
}
SKIP: {
    skip PST::Command::lacks_terminal(), 2 if PST::Command::lacks_terminal();
    my $t = PST::Command->terminal(230, 50, 'top', @at);
    my $rows = grep /^child /, keys %$true;     # all of them: a terminal may be looked at while it is written to
    my $children = $t->shows(qr/^ *Pid  Gen .*(?:\n *\d+ .*B\b.*){$rows}/m) // '';
    $t->keys('Enter');
    $t->shows(qr/^ *Pid  Id  .*\n *\d+ /m);
    $t->keys('Enter');
    my $connection = $t->shows(qr/^Connection \d+ of child.*(?:\n.*)*^Requests +\d/m) // '';
    $t->keys('q');
    ok($t->shows(qr/^status=0/m), 'top ends');
    agrees('poolstat top', 'top', $true, of(sub { my $f = PST::Figures::command($children); return { %$f, %{ PST::Figures::connection($connection) } } }));
}

subtest 'words' => sub {
    my $page  = $s->fetch('/pool-status?rows=1000')->{body};
    my $table = poolstat(@at, '--limit', 1000)->{out};
    my %line  = map { /^([^:]+): (.*)$/ } split /\n/, $s->fetch('/pool-status?auto&rows=1000')->{body};
    for my $row (rows($json)) {
        my $at = "Child.$row->{pid}.Connection.$row->{id}.";
        is($line{ $at . ucfirst }, $row->{$_}, "$at$_ in text") for qw(kind state client vhost protocol);
        is($line{"${at}Request" . ucfirst}, $row->{request}{$_}, "its request's $_") for $row->{request} ? qw(line handler) : ();
        my ($state, $request, $line) = map quotemeta, $row->{state}, $row->{request} ? @{ $row->{request} }{qw(handler line)} : ('', 'no request now');
        my ($shown) = grep /class="id">#$row->{id}</, split /<tr>/, $page =~ /Child $row->{pid}<\/a> · generation(.*?)<\/tbody>/s ? $1 : '';
        my $plain = ($shown // '') =~ s/&amp;/&/gr;
        like($plain, qr/class="kind $row->{kind}">.*>\Q$row->{client}\E<.*>\Q$row->{state}\E<.*$line.*$request/s, 'on the page');
        my $row_line = $row->{request} ? quotemeta $row->{request}{line} : '';
        like($table, qr/^ *$row->{pid} +$row->{id} +$row->{kind} +$state .* \Q$row->{client}\E +\Q$row->{vhost}\E *$row_line/m, 'in the table');
    }
};

ok($frozen->held, 'nothing moved meanwhile') or diag($frozen->{moved});
$frozen->thaw;
for (@p) { $_->finish; $_->conn->close }
is($s->stop, 0, 'stops');
done_testing;
