# SPDX-License-Identifier: Apache-2.0
#
# The tests' vocabulary: HTTP by hand on one connection (so that a test knows which connection it is), the
# JSON face, the probe, waiting for conditions, and APR's rule for the size of a node.
#
# No bare sleeps: wait_for() polls a condition against a deadline.
package PST;
use strict;
use warnings;
use Exporter 'import';
use Cpanel::JSON::XS ();
use PST::Conn;
use PST::Probe;
use PST::Stage;
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(stage mpm port wait_for token json_of json_now fetch node_size aligned rows row_of row_by_id
    child_of books_balance serves lacks two_hosts);

sub stage { PST::Stage::load() }
sub mpm   { stage()->{mpm} }
sub port  { stage()->{port} }

# A configuration: two virtual hosts, and a place that refuses everybody.
sub two_hosts { <<'EOT' }
<VirtualHost *:*>
    ServerName first.example
</VirtualHost>
<VirtualHost *:*>
    ServerName second.example
</VirtualHost>
<Location /refused>
    Require all denied
</Location>
EOT

# lacks('gdb', ...): '' or the reason to skip what needs these programs. The suite collects such reasons and
# says at the end which tests were not run because this machine lacks something.
sub lacks {
    my @missing = grep { my $program = $_; !grep { -x "$_/$program" } split /:/, $ENV{PATH} } @_;
    return @missing ? "not here: @missing" : '';
}

# wait_for(sub {...}, seconds): the first true value, or the last false one.
sub wait_for {
    my ($condition, $seconds) = @_;
    my $until = time + ($seconds // 30) * (stage()->{san} ? 3 : 1);
    my $pause = 0.005;
    while (1) {
        my $value = $condition->();
        return $value if $value || time > $until;
        sleep $pause;
        $pause *= 1.5 if $pause < 0.1;
    }
}

my $serial = 0;
# All of the same length, so that none is a prefix of another.
sub token { return sprintf '%s-%d-%09d-%05d', $_[0] // 't', $$, int(time * 1000) % 1_000_000_000, ++$serial }

# fetch(path, port => , headers => [..], method =>): a request on a connection of its own.
sub fetch {
    my ($path, %o) = @_;
    my $conn = PST::Conn->new($o{port} // port()) or return { status => 0, body => '', headers => {} };
    my $method = $o{method} // 'GET';
    $conn->send(join '', "$method $path HTTP/1.1\r\n", 'Host: ', $o{host} // 'main.example', "\r\n",
        "Connection: close\r\n", map("$_\r\n", @{ $o{headers} // [] }), "\r\n", $o{body} // '');
    return $conn->response(head => $method eq 'HEAD', timeout => $o{timeout});
}

# The same on a connection that is kept: the observer then neither opens nor closes anything between two
# looks, so that they differ only in what is observed.
my %kept;

sub fetch_kept {
    my ($path, %o) = @_;
    my $port = $o{port} // port();
    for my $try (1, 2) {
        my $conn = $kept{"$$ $port"} //= PST::Conn->new($port) // last;
        if ($conn->get($path)) {
            my $r = $conn->response(timeout => $o{timeout});
            delete $kept{"$$ $port"} if !$r->{complete} || ($r->{headers}{connection} // '') =~ /close/i;
            return $r if $r->{status};
        }
        delete $kept{"$$ $port"};    # timed out meanwhile: try again
    }
    return { status => 0, body => '', headers => {} };
}

sub json_of {
    my ($text) = @_;
    return eval { Cpanel::JSON::XS->new->utf8->decode($text) };    # much faster than JSON::PP; refuses duplicate keys
}

# The snapshot, taken now, over the observer's connection; port => over a separate connection to that port.
sub json_now {
    my (%o) = @_;
    my $r;
    # a child that ends, or is killed, takes its answer with it: others are asked, as any client would
    for my $try (1 .. 3) {
        $r = ($o{port} ? \&fetch : \&fetch_kept)->('/pool-status/json' . ($o{query} ? "?$o{query}" : ''), %o);
        last if $r->{complete};
    }
    die "the JSON face answered $r->{status}: " . substr($r->{body}, 0, 300) . "\n" if $r->{status} != 200;
    my $json = json_of($r->{body}) or die "the JSON face sent no JSON: " . substr($r->{body}, 0, 300) . "\n";
    return $json;
}

# APR's rule, allocator_alloc() in apr_pools.c: round up with the node's header,
# two pages at least. Free lists may hand out a larger node: ask for sizes that
# no free list keeps (above MaxMemFree) where that matters.
sub aligned { my ($n, $to) = @_; return int(($n + $to - 1) / $to) * $to }

sub node_size {
    my ($bytes, $overhead) = @_;
    my $size = aligned(aligned($bytes, 8) + ($overhead // 40), 4096);
    return $size < 8192 ? 8192 : $size;
}

# Every connection in the snapshot, each with its pid.
sub rows {
    my ($json) = @_;
    return map { my $pid = $_->{pid}; map { { %$_, pid => $pid } } @{ $_->{connections} } } @{ $json->{children} };
}

# The one row whose current request line contains the text.
sub row_of {
    my ($json, $text) = @_;
    my @found = grep { $_->{request} && index($_->{request}{line} // '', $text) >= 0 } rows($json);
    return wantarray ? @found : @found == 1 ? $found[0] : undef;
}

sub row_by_id {
    my ($json, $pid, $id) = @_;
    my @found = grep { $_->{pid} == $pid && $_->{id} == $id } rows($json);
    return $found[0];
}

sub child_of {
    my ($json, $pid) = @_;
    my @found = grep { $_->{pid} == $pid } @{ $json->{children} };
    return $found[0];
}

# The law of conservation, for every child: what is wrong, or nothing.
# Figures of a busy child change between two reads: call it when all is quiet, through wait_for().
sub books_balance {
    my ($json) = @_;
    my @wrong;
    for my $c (@{ $json->{children} }) {
        my ($connections, $buckets) = (0, 0);
        for (@{ $c->{connections} }) {
            $connections += $_->{reserved_bytes};
            $buckets     += $_->{bucket_bytes};
        }
        my $unslotted = ref $c->{unslotted} ? $c->{unslotted}{reserved_bytes} : 0;
        my $sum = $c->{process}{reserved_bytes} + $connections + $unslotted;
        push @wrong, "child $c->{pid}: reserved $c->{reserved_bytes} is not process $c->{process}{reserved_bytes}"
          . " + connections $connections + unslotted $unslotted = $sum" if $sum != $c->{reserved_bytes};
        push @wrong, "child $c->{pid}: reserved $c->{reserved_bytes} is not child_reserved $c->{child_reserved_bytes}"
          if defined $c->{child_reserved_bytes} && $c->{child_reserved_bytes} != $c->{reserved_bytes};
        my %b = map { $_ => $c->{$_} // $c->{"child_$_"} } qw(held_bytes bucket_bytes retained_bytes);
        if (grep { !defined $b{$_} } keys %b) {
            push @wrong, "child $c->{pid}: no " . join ', ', grep { !defined $b{$_} } sort keys %b;
            next;
        }
        push @wrong, "child $c->{pid}: held $b{held_bytes} is not reserved $c->{reserved_bytes} + buckets"
          . " $b{bucket_bytes} + retained $b{retained_bytes}"
          if $b{held_bytes} != $c->{reserved_bytes} + $b{bucket_bytes} + $b{retained_bytes};
        push @wrong, "child $c->{pid}: buckets $b{bucket_bytes} are less than its connections' $buckets"
          if $b{bucket_bytes} < $buckets;
    }
    return @wrong;
}

# Does the row serve a request? prefork and worker make the next request's pool
# before they wait for its line: until that arrives there is no real request.
sub serves { my ($row) = @_; return $row->{request} && length $row->{request}{line} }

1;
