# SPDX-License-Identifier: Apache-2.0
#
# What taking the books of a child costs: bench/books.c, in a process of the requested size and with a heap
# fragmented as requested. Most of the work is the kernel's, so CPU time counts; instructions are those of
# user space.
package Books;
use strict;
use warnings;
use Faces;

our @CASES = (
    { name => 'a small child',                         megabytes => 0,    chunks => 0 },
    { name => '2 GB in small pages',                   megabytes => 2048, chunks => 0 },
    { name => 'a heap with 10,000 free chunks',        megabytes => 0,    chunks => 10_000 },
    { name => 'a heap with 100,000 free chunks',       megabytes => 0,    chunks => 100_000 },
    { name => 'a heap with 1,000,000 free chunks',     megabytes => 0,    chunks => 1_000_000 },
);

sub measure {
    my ($top, $say) = @_;
    my $books = Faces::compile($top, 'books') or do { $say->('books: core/ does not build yet'); return };
    my $dir = $Server::env{work};
    my @rows;
    for my $case (@CASES) {
        my @f = split ' ', Server::client("$dir/books.out", $books, 'cost', $case->{megabytes}, $case->{chunks}, 7);
        push @rows, { name => $case->{name}, sum => [@f[0, 1]], heap => [@f[2, 3]], maps => [@f[4, 5]], release => [@f[6, 7]] };
        $say->("books: $case->{name}: sum $f[0] us, heap $f[2] us, maps $f[4] us, release $f[6] us, again $f[7] us");
    }
    my ($one, $three) = map {
        Server::client("$dir/books.out", 'valgrind', '--tool=callgrind', '--quiet', "--callgrind-out-file=$dir/books.callgrind", $books, 'cost', 0, 0, $_);
        Server::read_file("$dir/books.callgrind") =~ /^summary:\s+(\d+)/m ? $1 : die "callgrind left no sum\n";
    } 1, 3;
    my @waits = map [ split /  / ], split /\n/, Server::client("$dir/books.out", $books, 'wait', 1024, 100_000);
    return { rows => \@rows, instructions => ($three - $one) / 2, waits => \@waits };
}

1;
