# SPDX-License-Identifier: Apache-2.0
#
# What a face says, as data: { thing => { figure => value } }, the same shape whatever the face. A thing is
# "child 4711", "request 4711 3", "class 4711 2" (the second of its child), "total class 2" and so on; a
# figure has the name that it has in include/poolstat_metrics.def.
#
# Values are whole numbers, or seconds with six decimals, and compared as texts; a face for people has rounded ones,
# "1.4 MiB", which only have to round to it: PST::Figures::differ() knows.
package PST::Figures;
use strict;
use warnings;
use PST ();
use PST::Metrics;

my ($table, %by_label);

sub table {
    return $table //= do {
        my %t = %{ PST::Metrics::table() };
        my $text = PST::Stage::read_file(PST::stage()->{top} . '/t/include/poolstat_metrics.def');
        while ($text =~ /^PST_METRIC_\w+\((\w+), \w+, \w+, \w+, "\w+",\s*"([^"]+)"/mg) { $t{$1}{label} = $2 }
        \%t;
    };
}

# The figure behind a key of JSON: inside a child, a class ... a prefix that says so is left out.
sub _figure {
    my ($kind, $key) = @_;
    my %prefix = (child => 'child_', total => 'child_', class => 'class_', site => 'site_', generation => 'generation_');
    my $prefix = $prefix{ $kind =~ s/^total (?=\w)//r } // '';
    return "$prefix$key" if table()->{"$prefix$key"} && !($kind =~ /^(?:child|total)$/ && $key eq 'reserved_bytes');
    return table()->{$key} ? $key : undef;
}

sub _value {
    my ($figure, $value) = @_;
    return $value ? 1 : 0 if JSON::PP::is_bool($value);
    return table()->{$figure}{unit} =~ /^(?:usec|span)$/ ? sprintf '%.6f', $value : $value;
}

# A sum, as figures of its kind are written.
sub as_figure { return _value(@_) }

# The numbers of a JSON object that are figures.
sub _take {
    my ($to, $thing, $kind, $from) = @_;
    for my $key (keys %$from) {
        my $figure = _figure($kind, $key) // next;
        $to->{$thing}{$figure} = _value($figure, $from->{$key}) if defined $from->{$key} && (!ref $from->{$key} || JSON::PP::is_bool($from->{$key}));
    }
}

sub _sizes {
    my ($buckets) = @_;
    return join ' ', map { ($_->{up_to_bytes} // '+Inf') . ":$_->{requests}" } @$buckets;
}

# The code that makes a class, as the metrics face names it.
sub _class_name {
    my ($c) = @_;
    my $name = $c->{other} ? 'other' : !defined $c->{module} ? 'unknown' : defined $c->{function} ? "$c->{module} $c->{function}"
      : sprintf '%s+0x%x', $c->{module}, $c->{offset};
    return "$name/" . ($c->{other} ? '' : $c->{tag});
}

sub _places {
    my ($to, $of, $from, $names) = @_;
    my $n = 0;
    for my $c (@{ $from->{classes} }) {
        my $thing = "${of}class " . ($of =~ /total/ ? '' : "$from->{pid} ") . ++$n;
        _take($to, $thing, 'class', $c);
        $to->{$thing}{class_growing} = $c->{verdict}{state} eq 'growing' ? 1 : 0;
        $names->{$thing} = _class_name($c);
    }
    $n = 0;
    _take($to, "${of}site " . ($of =~ /total/ ? '' : "$from->{pid} ") . ++$n, 'site', $_) for @{ $from->{sites} };
}

# JSON. In list context also { thing => name } of classes, and the kinds of connections.
sub json {
    my ($json) = @_;
    my (%f, %names, %kinds);
    _take(\%f, 'server', 'server', $json->{server});
    $f{server}{server_start_time} = _value('server_start_time', $json->{server}{started});
    $f{server}{server} = join '|', @{ $json->{server} }{qw(version module mpm)};
    $f{server}{children} = $json->{total}{children};
    _take(\%f, 'total', 'total', $json->{total});
    $f{'total sizes'}{request_peak_bytes} = _sizes($json->{total}{request_sizes}{buckets});
    _places(\%f, 'total ', $json->{total}, \%names);
    _take(\%f, "generation $_->{generation}", 'generation', $_) for @{ $json->{generations} };
    $f{findings} = _findings(map [ @$_{qw(id severity more)} ], @{ $json->{findings} });
    for my $c (@{ $json->{children} }) {
        _take(\%f, "child $c->{pid}", 'child', $c);
        _take(\%f, "$_ $c->{pid}", 'usage', $c->{$_}) for qw(process unslotted);
        $f{"process $c->{pid}"}{growing} = ($c->{verdict}{process}{state} // '') eq 'growing' ? 1 : 0;
        $f{"sizes $c->{pid}"}{request_peak_bytes} = _sizes($c->{request_sizes}{buckets});
        _places(\%f, '', $c, \%names);
        for my $r (@{ $c->{connections} }) {
            my $grows = ref $r->{verdict} && $r->{verdict}{state} eq 'growing' ? $r->{verdict}{scope} : '';
            my %of = (connection => $r, $r->{request} ? (request => $r->{request}) : ());
            for my $kind (keys %of) {
                my $thing = "$kind $c->{pid} $r->{id}";
                _take(\%f, $thing, $kind, $of{$kind});
                $f{$thing}{growing} = $grows eq $kind ? 1 : 0;
                $kinds{$thing} = $r->{kind};
            }
        }
    }
    return wantarray ? (\%f, \%names, \%kinds) : \%f;
}

sub _findings {
    my (%id, %severity);
    @severity{qw(info warning critical)} = (0, 0, 0);
    for (@_) {
        $id{"$_->[1] $_->[0]"} += 1 + $_->[2];
        $severity{ $_->[1] } += 1 + $_->[2];
    }
    return { finding => join(', ', map "$_ $id{$_}", sort keys %id), findings => join ', ', map "$_ $severity{$_}", sort keys %severity };
}

# Lines of Key: value.
sub text {
    my ($text) = @_;
    my (%f, %line);
    for (split /\n/, $text) {
        /^([A-Z][\w.]*): (.*)$/ or die "a line that is no Key: value: $_\n";
        die "a key twice: $1\n" if exists $line{$1};
        $line{$1} = $2;
    }
    my %sizes;
    for my $key (sort keys %line) {
        my $value = $line{$key};
        local $_ = $key;
        my ($thing, $kind) = s/^Child\.(\d+)\.Connection\.(\d+)\.Request(?!s)// ? ("request $1 $2", 'usage')
          : s/^Child\.(\d+)\.Connection\.(\d+)\.// ? ("connection $1 $2", 'connection')
          : s/^Child\.(\d+)\.Class\.(\d+)\.// ? ("class $1 $2", 'class')
          : s/^TotalClass\.(\d+)\.// ? ("total class $1", 'class')
          : s/^Generation\.(\d+)\.// ? ("generation $1", 'generation')
          : s/^(?:Child\.(\d+)\.|Total)RequestSizes(?=Bucket)// ? (defined $1 ? "sizes $1" : 'total sizes', 'sizes')
          : s/^Child\.(\d+)\.(Process|Unslotted)(?!Connections|Opened)// ? (lc($2) . " $1", 'usage')
          : s/^Child\.(\d+)\.(?!\w+\.)// ? ("child $1", 'child')
          : s/^Total(?!\w+\.|RequestSizes)// ? ('total', 'total')
          : s/^Server// ? ('server', 'server') : next;
        if ($kind eq 'sizes') {
            /^Bucket\.(\d+)\.(\w+)$/ and $sizes{$thing}{$1}{$2} = $value;
            next;
        }
        if ($_ eq 'VerdictState') {
            $f{$thing}{class_growing} = $value eq 'growing' ? 1 : 0 if $kind eq 'class';
            next;
        }
        my $figure = _figure($kind, s/([A-Z])/_\l$1/gr =~ s/^_//r) // next;
        $f{$thing}{$figure} = $value =~ /^(true|false)$/ ? $1 eq 'true' ? 1 : 0 : $value;
    }
    for my $thing (keys %sizes) {
        my $of = $sizes{$thing};
        $f{$thing}{request_peak_bytes} = join ' ', map { ($of->{$_}{UpToBytes} // '+Inf') . ":$of->{$_}{Requests}" } sort { $a <=> $b } keys %$of;
    }
    # without a request there is no line
    $f{$_}{request_peak_bytes} //= '' for 'total sizes', map { /^child (\d+)$/ ? "sizes $1" : () } keys %f;
    $f{server}{server_start_time} = $line{ServerStarted};
    $f{server}{server} = join '|', @line{qw(ServerVersion ServerModule ServerMpm)};
    $f{server}{children} = $line{TotalChildren};
    $f{findings} = _findings(map [ @line{ map "Finding.$_", "$_.Id", "$_.Severity", "$_.More" } ],
        map { /^Finding\.(\d+)\.Id$/ ? $1 : () } keys %line);
    my $grows = sub { my ($where, $what) = @_; return ($line{"${where}VerdictState"} // '') eq 'growing' && ($line{"${where}VerdictScope"} // '') eq $what ? 1 : 0 };
    for my $thing (keys %f) {
        $f{$thing}{growing} = ($line{"Child.$1.VerdictProcessState"} // '') eq 'growing' ? 1 : 0 if $thing =~ /^process (\d+)$/;
        $f{$thing}{growing} = $grows->("Child.$2.Connection.$3.", $1) if $thing =~ /^(connection|request) (\d+) (\d+)$/;
    }
    return \%f;
}

# ---- the page ----

sub _plain { return $_[0] =~ s/<[^>]*>//gr =~ s/&#39;/'/gr =~ s/&quot;/"/gr =~ s/&lt;/</gr =~ s/&gt;/>/gr =~ s/&amp;/&/gr }

# "1,234 bytes": exactly, from a cell's title.
sub _exact {
    my ($figure, $title) = @_;
    my ($n) = ($title // '') =~ /^([\d,]+)/ or return undef;
    $n =~ tr/,//d;
    return table()->{$figure}{unit} eq 'span' ? sprintf '%.6f', $n / 1e6 : $n;
}

# A table found by its headings: rows of { cells => [ { html, title, class, key } ], open => the row's tag }.
sub _rows {
    my ($html) = @_;
    my ($head, $body) = $html =~ m{<thead>(.*?)</thead>(.*)}s or return;
    my ($last) = $head =~ m{.*<tr>(.*?)</tr>}s;
    my @keys = map { /^[^>]*data-key="(\w+)"/ ? $1 : undef } $last =~ m{<th\b(.*?</th>)}sg;
    my @rows;
    for my $row ($body =~ m{<tr\b(.*?)</tr>}sg) {
        my ($n, @cells) = (0);
        while ($row =~ m{<(?:td|th)\b([^>]*)>(.*?)</(?:td|th)>}sg) {
            my ($attributes, $inner) = ($1, $2);
            my ($span)  = $attributes =~ /colspan="(\d+)"/;
            my ($title) = $attributes =~ /title="([^"]*)"/;
            push @cells, { html => $inner, attributes => $attributes, title => $title, key => $keys[$n] };
            $n += $span // 1;
        }
        push @rows, { cells => \@cells, html => $row };
    }
    return @rows;
}

# Put the cells of a row that have a key into a thing. A cell without its exact value, or two that differ, are an error.
sub _cells {
    my ($to, $thing, $row, $which) = @_;
    for my $cell (grep { defined $_->{key} && $which->($_) } @{ $row->{cells} }) {
        my $value = _exact($cell->{key}, $cell->{title});
        die "$thing: no exact $cell->{key}: $cell->{html}\n" if !defined $value;
        die "$thing: $cell->{key} is $to->{$thing}{ $cell->{key} } and $value\n" if ($to->{$thing}{ $cell->{key} } // $value) ne $value;
        $to->{$thing}{ $cell->{key} } = $value;
        # what people see
        die "$thing: $cell->{key} is $value, but reads $cell->{html}\n" if differ($cell->{key}, $value, _plain($cell->{html}));
    }
}

# What a row of a child says about its process scope.
sub _process {
    my ($to, $pid) = @_;
    my $reserved = delete $to->{"child $pid"}{process_reserved_bytes};
    $to->{"process $pid"}{reserved_bytes} = $reserved if defined $reserved;
}

sub _section { my ($page, $id) = @_; return $page =~ m{<section\b[^>]*aria-labelledby="$id">(.*?)</section>}s ? $1 : '' }

sub page {
    my ($page) = @_;
    my (%f, $pid);
    my $total = _section($page, 'total');
    while ($total =~ m{<div class="(?:tile )?k-(\w+)(?: zero)?" title="[^"]*"><dt>[^<]*</dt><dd title="([^"]*)">([^<]*)</dd>}g) {
        my ($key, $value, $shown) = ($1, _exact($1, $2), $3);
        die "total: $key is $value, but reads $shown\n" if differ($key, $value, $shown) || ($f{total}{$key} // $value) ne $value;
        $f{total}{$key} = $value;
    }
    $f{server}{server} = $page =~ m{<p>([^<]*) · MPM ([^<]*) · ([^<]*)</p>} ? join '|', map _plain($_), $1, $3, $2 : undef;
    for my $id ('children', 'books') {
        for my $row (_rows(_section($page, $id))) {
            my ($pid) = $row->{cells}[0]{html} =~ m{>(\d+)</a>} or next;
            _cells(\%f, "child $pid", $row, sub { 1 });
            $f{"child $pid"}{child_generation} = $1 if $row->{cells}[0]{html} =~ /gen (\d+)/;
            _process(\%f, $pid);
        }
    }
    for my $row (_rows(_section($page, 'connections'))) {
        if ($row->{html} =~ /^ class="group"/) { ($pid) = $row->{html} =~ /Child (\d+)</; next }
        my ($id) = ($row->{cells}[0]{html} // '') =~ /class="id">#(\d+)</ or next;
        my $is_request = sub { $_[0]{attributes} =~ /class="n req/ };
        _cells(\%f, "connection $pid $id", $row, sub { !$is_request->($_[0]) && $_[0]{attributes} !~ /colspan/ });
        _cells(\%f, "request $pid $id", $row, $is_request);
    }
    for my $what ([ classes => 'total class' ], [ sites => 'total site' ]) {
        my $n = 0;
        _cells(\%f, "$what->[1] " . ++$n, $_, sub { 1 }) for grep { $_->{html} !~ /class="none"/ } _rows(_section($page, $what->[0]));
    }
    for my $row (_rows(_section($page, 'generations') =~ s{<tfoot>.*}{}sr)) {
        $row->{cells}[0]{html} =~ /^(\d+)$/ and _cells(\%f, "generation $1", $row, sub { 1 });
    }
    # a bar for each bucket, in its place
    my ($all) = _section($page, 'largest') =~ m{<th scope="row" class="wide">All</th>(.*?)</tr>}s;
    $f{'total sizes'}{request_peak_bytes} = join ' ', map { ($_->[0] < 17 ? 8192 << $_->[0] : '+Inf') . ':' . $_->[1] =~ tr/,//dr }
      map { m{x="(\d+)".*<title>[^<]*: ([\d,]+)</title>} ? [ $1 / 10, $2 ] : () } split /\n/, $all // '';
    my @keeps    = qw(allocators allocators_kept_bytes heap_free_bytes);
    my @released = qw(allocators_bytes emptied busy heap_bytes rss_before_bytes rss_after_bytes seconds);
    for my $row (_rows(_section($page, 'release'))) {
        my ($pid) = $row->{cells}[0]{html} =~ /^(\d+)$/ or next;
        $f{"child $pid"}{ $keeps[$_] } = _plain($row->{cells}[ $_ + 1 ]{html}) for 0 .. $#keeps;
        my $never = $row->{cells}[ 1 + @keeps ]{html} eq 'nothing was released here so far';
        $f{"child $pid"}{"released_$released[$_]"} = $never ? 0 : _plain($row->{cells}[ $_ + 1 + @keeps ]{html}) for 0 .. $#released;
    }
    my @found = $page =~ m{<li class="(\w+)"><p><b class="severity">\g1</b> .*?<code>([a-z-]+)</code></p>\n.*\n.*\n(?:<p class="more">and (\d+) more)?}g;
    $f{findings} = _findings(map [ @found[ 3 * $_ + 1, 3 * $_ ], $found[ 3 * $_ + 2 ] // 0 ], 0 .. @found / 3 - 1);
    return \%f;
}

# ---- metrics ----

# What they say about children, by block: { block => pid }. Connections by kind, not each; classes by name.
sub metrics {
    my ($m, $blocks) = @_;
    my (%f, %bucket);
    my %by_prom = map { (table()->{$_}{prom} => $_) } keys %{ table() };
    my (@found, %severity);
    for my $family ($m->families) {
        my $figure = $by_prom{ $family->{name} } // $by_prom{"$family->{name}_total"} // $by_prom{"$family->{name}_info"} // die "a family of no figure: $family->{name}\n";
        for my $sample (@{ $family->{samples} }) {
            my ($name, $label, $value) = @$sample;
            my $pid = defined $label->{block} ? $blocks->{ $label->{block} } // die "no child has the block of $name\n" : undef;
            if ($figure eq 'server') { $f{server}{server} = join '|', @$label{qw(version module mpm)} }
            elsif ($figure eq 'finding') { push @found, [ @$label{qw(id severity)}, $value - 1 ] }
            elsif ($figure eq 'misuse') { }         # by kind, in no other face: t/check has its own test
            elsif ($figure eq 'findings') { $severity{ $label->{severity} } = $value }
            elsif ($figure eq 'request_peak_bytes') {
                $bucket{$pid}{ $label->{le} } = $value if $name =~ /_bucket$/;
                $f{"child $pid"}{requests_peak_bytes} = $value if $name =~ /_sum$/;
                $f{"sizes $pid"}{count} = $value if $name =~ /_count$/;
            }
            elsif (defined $label->{class}) { $f{ (defined $pid ? "class $pid" : 'total class') . " $label->{class}/$label->{tag}" }{$figure} = $value }
            elsif (!defined $pid) { $f{server}{$figure} = $value }
            else {
                my ($scope, $kind) = @$label{qw(scope kind)};
                my $thing = ($kind // '') eq 'unslotted' ? "unslotted $pid" : ($scope // '') eq 'process' ? "process $pid"
                  : $scope ? "$scope $pid $kind" : $kind ? "connection $pid $kind" : "child $pid";
                $f{$thing}{$figure} = $value;
            }
        }
    }
    for my $pid (keys %bucket) {
        my ($before, @some) = (0);
        for my $le (sort { ($a eq '+Inf') <=> ($b eq '+Inf') || $a <=> $b } keys %{ $bucket{$pid} }) {
            my $n = $bucket{$pid}{$le} - $before;
            push @some, ($le =~ s/\.0$//r) . ":$n" if $n;
            $before += $n;
        }
        my $count = delete $f{"sizes $pid"}{count};
        $f{"sizes $pid"}{request_peak_bytes} = join ' ', @some;
        die "block of $pid: $before requests in buckets, $count in all\n" if $before != $count;
    }
    $f{findings} = _findings(@found);
    my $sum = join ', ', map "$_ $severity{$_}", sort keys %severity;
    die "findings: $sum is not $f{findings}{findings}\n" if $sum ne $f{findings}{findings};
    return \%f;
}

# The same from JSON: connections added up by kind, without their requests; classes by name.
sub as_metrics {
    my ($f, $names, $kinds) = @_;
    my %m;
    my %sum;
    for my $thing (keys %$f) {
        if ($thing =~ /^(connection|request) (\d+) (\d+)$/) {
            my ($what, $pid, $kind) = ($1, $2, $kinds->{$thing});
            my $request = $what eq 'connection' ? $f->{"request $2 $3"} // {} : {};
            for my $figure (keys %{ $f->{$thing} }) {
                my $own = $figure =~ /^(?:growing|bucket_bytes|retained_bytes|requests)$/ ? 0 : $request->{$figure} // 0;
                $m{"$what $pid $kind"}{$figure} += $f->{$thing}{$figure} - $own;
            }
        }
        elsif (defined $names->{$thing}) {
            my ($of) = $thing =~ /^(.*class(?: \d+)?) \d+$/;
            my $to = $m{"$of $names->{$thing}"} //= {};
            for my $figure (keys %{ $f->{$thing} }) {
                my $v = $f->{$thing}{$figure};
                my $largest = $figure =~ /largest|max|growing/;
                $to->{$figure} = !defined $to->{$figure} ? $v : $largest ? ($v > $to->{$figure} ? $v : $to->{$figure}) : _value($figure, $v + $to->{$figure});
                $to->{class_lifetime_mean_seconds} = undef if $sum{"$of $names->{$thing}"}{$figure}++;    # is not a sum
            }
        }
        else { $m{$thing} = { %{ $f->{$thing} } } }
    }
    # kinds without a connection are still there
    for my $pid (map { /^child (\d+)$/ ? $1 : () } keys %$f) {
        for my $kind (qw(client secondary backend)) {
            for my $what (qw(connection request)) {
                $m{"$what $pid $kind"}{$_} //= 0 for qw(pools reserved_bytes slack_bytes used_bytes growing), $what eq 'connection' ? qw(bucket_bytes retained_bytes) : ();
            }
        }
    }
    return \%m;
}

# ---- the command, for people ----

# A table in columns: figures end where their headings do.
sub _columns {
    my ($heading, $rows, $known) = @_;
    my @columns;
    while ($heading =~ /(\S+(?: \S+)*)/g) { push @columns, [ $1, pos $heading ] }
    return map {
        my $row = $_;
        my %cell;
        for my $column (@columns) {
            my $figure = $known->{ $column->[0] } // next;
            $cell{$figure} = substr($row, 0, $column->[1]) =~ /(\S+(?: [KMGTPE]?i?B)?)$/ ? $1 : undef;
        }
        \%cell;
    } @$rows;
}

my %columns = (
    child => [ qw(pss_bytes held_bytes reserved_bytes process_reserved_bytes connections_reserved_bytes requests_reserved_bytes
        child_bucket_bytes child_retained_bytes child_peak_bytes pools connections_open requests_finished) ],
    connection => [qw(reserved_bytes requests_reserved_bytes used_bytes peak_bytes bucket_bytes pools requests)],
);

sub _known { my ($kind) = @_; return { Pid => 'pid', Id => 'id', Gen => 'gen', map { (table()->{$_}{label} => $_) } @{ $columns{$kind} } } }

# The lines above the children: sums.
sub _heads {
    my ($to, $text) = @_;
    my %label = map { (table()->{$_}{label} => $_) } qw(held_bytes process_reserved_bytes connections_reserved_bytes requests_reserved_bytes
        child_bucket_bytes child_retained_bytes children connections_open requests_finished pools unslotted_connections);
    $to->{server}{server} = $text =~ /^(.*?), (\w+), (mod_poolstat\S* \S+); parent/m ? "$1|$3|$2" : undef;
    for my $line ($text =~ /^(Held .* = .*|Children \d.*)$/mg) {
        for (split / = | \+ |, /, $line) {
            my ($label, $value) = /^(\D+) (.*)$/ or die "no figure: $_\n";
            $to->{total}{ $label{$label} // die "no figure is called $label\n" } = $value;
        }
    }
}

# poolstat, the table; or the first screen of top.
sub command {
    my ($text) = @_;
    my %f;
    _heads(\%f, $text);
    my ($head, $rows) = $text =~ /^( *Pid  Gen .*)\n((?: *\d+ .*\n)+)/m;
    for my $row (_columns($head // '', [ split /\n/, $rows // '' ], _known('child'))) {
        my $pid = delete $row->{pid};
        $row->{child_generation} = delete $row->{gen};
        $f{"child $pid"} = $row;
        _process(\%f, $pid);
    }
    ($head, $rows) = $text =~ /^( *Pid  Id  .*)\n((?: *\d+ .*\n)+)/m;
    for my $row (_columns($head // '', [ split /\n/, $rows // '' ], _known('connection'))) {
        my ($pid, $id) = delete @$row{qw(pid id)};
        my $request = delete $row->{requests_reserved_bytes};
        $f{"connection $pid $id"} = $row;
        $f{"request $pid $id"} = { reserved_bytes => $request } if $request ne '0 B';    # a request has a pool
    }
    return \%f;
}

# A connection's screen of top.
sub connection {
    my ($text) = @_;
    my ($id, $pid) = $text =~ /^Connection (\d+) of child (\d+):/m or return {};
    my %label = map { (table()->{$_}{label} => $_) } grep { table()->{$_}{group} =~ /^(?:usage|connection)$/ } keys %{ table() };
    $label{ table()->{used_bytes}{label} } = 'used_bytes';
    my %f;
    for ($text =~ /^(?:.*\n)*? +connection +(?:request)?\n((?:\S.*\n)+)/ ? split /\n/, $1 : ()) {
        my ($label, $whole, $request) = /^(\w+) +(\S+(?: [KMGTPE]?i?B)?)(?:  +(\S.*\S|\S))?\s*$/ or die "no figures: $_\n";
        my $figure = $label{$label} // die "no figure is called $label\n";
        $f{"connection $pid $id"}{$figure} = $whole;
        $f{"request $pid $id"}{$figure} = $request if defined $request;
    }
    return \%f;
}

# watch: the gauges of its line.
sub watch {
    my ($text) = @_;
    my ($head, $line) = $text =~ /^(Time .*)\n(\d.*)$/m or return {};
    my %known = map { (table()->{$_}{label} => $_) } qw(held_bytes reserved_bytes child_retained_bytes connections_open);
    $known{ table()->{$_}{label} . '/s' } = $_ for qw(requests_finished pools_created growths);
    my ($row) = _columns($head, [$line], \%known);
    return { total => $row };
}

# The findings as sentences.
sub doctor {
    my ($text) = @_;
    my @found;
    while ($text =~ /^(info|warning|critical): ([a-z-]+)\n.*\n.*\n.*\n(?:\(and (\d+) more like this\)\n)?/mg) { push @found, [ $2, $1, $3 // 0 ] }
    return { findings => _findings(@found) };
}

# ---- comparing ----

# Returns nothing if what a face shows for a figure is its value, or rounds to it.
sub differ {
    my ($figure, $value, $shown) = @_;
    return 'nothing is shown' if !defined $shown;
    return if $shown eq $value;
    my %unit = (B => 1, KiB => 1 << 10, MiB => 1 << 20, GiB => 1 << 30, TiB => 1 << 40);
    if ($shown =~ /^(\d+)(\.\d)? ([KMGT]?i?B)$/ && $unit{$3} && table()->{$figure}{unit} eq 'bytes') {
        my ($n, $each, $half) = ("$1" . ($2 // ''), $unit{$3}, defined $2 ? 0.05 : 0.5);
        return if $each == 1 ? $n == $value : abs($value / $each - $n) <= $half * 1.01 && $n >= 1 && ($n >= 100 xor defined $2);
    }
    elsif ($shown =~ /^(\d+(?:\.\d)?) (us|ms|s)$/ && table()->{$figure}{unit} eq 'span') {
        my ($n, $each, $least) = ($1, { us => 1e-6, ms => 1e-3, s => 1 }->{$2}, index($1, '.') < 0 ? 1 : 0.1);
        return if $value >= $n * $each - 1e-9 && $value < ($n + $least) * $each;    # spans are cut
    }
    elsif ($shown eq '0' && table()->{$figure}{unit} eq 'span') {
        return if $value == 0;          # for what took less than a microsecond
    }
    elsif ($shown =~ /^\d{1,3}(?:,\d{3})+$/) {
        return if $shown =~ tr/,//dr eq $value;
    }
    return "$value is shown as $shown";
}

1;
