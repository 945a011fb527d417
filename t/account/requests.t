# Subrequests and internal redirects belong to their main request; one row, one line.
use strict;
use warnings;
use PST;
use Test::More;

my $BYTES = 10 * 1024 * 1024;
my $NODE  = node_size($BYTES);

sub uri { my ($u) = @_; $u =~ s/([^A-Za-z0-9\/])/sprintf '%%%02X', ord $1/ge; return $u }

for my $how (qw(subreq redirect)) {
    subtest $how => sub {
        my ($t0, $t1) = (token(), token());
        my $name = token($how);
        my $inner = "/poolprobe?pool=request&bytes=$BYTES&hold0=$t0&hold=$t1";
        my $conn = PST::Conn->new(port);
        $conn->get("/poolprobe?n=$name&pool=request&bytes=$BYTES&$how=" . uri($inner));
        my $at = sub {
            my ($t) = @_;
            my $seen;
            ok(wait_for(sub { $seen = json_of(fetch("/poolprobe?peek=$t")->{body}); $seen && $seen->{arrived} }, 10),
                'the inner one waits');
            my @rows = row_of(json_now(), $name);
            is(scalar @rows, 1, 'one row');
            return ($rows[0], $seen->{report});
        };
        my ($a, $ra) = $at->($t0);
        fetch("/poolprobe?release=$t0");
        my ($b, $rb) = $at->($t1);
        is($b->{request}{reserved_bytes} - $a->{request}{reserved_bytes}, $NODE, "the inner one's bytes are the main request's");
        is($b->{reserved_bytes} - $a->{reserved_bytes}, $NODE, 'and the connection has them too');
        like($b->{request}{line}, qr/^GET \/poolprobe\?n=$name&pool=request&bytes=$BYTES&$how=/, 'the line is the one that was sent');
        is($b->{requests}, 0, 'no request has finished on it');
        fetch("/poolprobe?release=$t1");
        is($conn->response->{status}, 200, 'answered');
        my $after;
        ok(wait_for(sub { $after = row_by_id(json_now(), $b->{pid}, $b->{id}); $after && !serves($after) }, 10),
            'the row has no request afterwards');
        is($after->{requests}, 1, 'one request was finished, not two');
        ok(wait_for(sub { $after = row_by_id(json_now(), $b->{pid}, $b->{id}); $after && $after->{state} eq 'keep-alive' }, 10), 'the connection is kept');
        my $next = PST::Probe->start('pool=none', conn => $conn, hold => ['hold']);
        $next->arrived('hold');
        my $row = row_of(json_now(), $next->name);
        is($row->{id}, $b->{id}, 'and takes the next request');
        cmp_ok($row->{request}{reserved_bytes}, '<', $BYTES, 'which starts afresh');
        $next->finish;
    };
}

done_testing;
